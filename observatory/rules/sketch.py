"""Latency percentiles as an OpenTelemetry exponential histogram of scale 5: a quantile is off by at most 1.09 %.

A histogram is kept packed and sparse, one integer a bucket: `index * 2^40 + count`. Counts are signed (from -2^39 up to
below 2^39), because a correction may be booked in another row than what it corrects; only the sum over all rows is a
histogram. Packed histograms are merged by adding the counts of equal indexes, here and in SQL (`ledger.hist_merge`).
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

SCALE = 5
BUCKETS_PER_DOUBLING = 1 << SCALE
BASE = math.exp2(1 / BUCKETS_PER_DOUBLING)
MAX_RELATIVE_ERROR = (BASE - 1) / (BASE + 1)

LEAST_MS = 2.0**-20
MOST_MS = 2.0**40
ZERO_INDEX = -1000
"""The bucket of what is below `LEAST_MS`: reported as 0. `MOST_MS` (35 years) and more fall into `LAST_INDEX`."""

BANDS_PER_DOUBLING = 4
"""How finely a distribution is shown: each of its bands is as many whole buckets."""

LAST_INDEX = 40 * BUCKETS_PER_DOUBLING - 1

_SHIFT = 40
_HALF = 1 << (_SHIFT - 1)


def index_of(value_ms: float) -> int:
    """The bucket of a duration: bucket `i` covers `(BASE^i, BASE^(i+1)]` milliseconds."""
    if LEAST_MS <= value_ms < MOST_MS:
        return math.ceil(math.log2(value_ms) * BUCKETS_PER_DOUBLING) - 1
    return ZERO_INDEX if value_ms < LEAST_MS else LAST_INDEX


def value_of(index: int) -> float:
    """The duration in ms that a bucket reports: equally far, relatively, from both of its bounds."""
    return 0.0 if index == ZERO_INDEX else 2 * math.exp2((index + 1) / BUCKETS_PER_DOUBLING) / (1 + BASE)


def pack(counts: Mapping[int, int]) -> list[int]:
    """Bucket counts as packed integers in ascending order of index, without empty buckets."""
    return [(index << _SHIFT) + count for index, count in sorted(counts.items()) if count]


def unpack(packed: Iterable[int]) -> dict[int, int]:
    """Counts by index; an index that stands several times is added up."""
    counts: dict[int, int] = {}
    for entry in packed:
        index = (entry + _HALF) >> _SHIFT
        counts[index] = counts.get(index, 0) + entry - (index << _SHIFT)
    return counts


def add_to_packed(packed: list[int], value_ms: float) -> None:
    """Counts one more duration in a packed histogram, in place."""
    index = index_of(value_ms)
    place = bisect_left(packed, (index << _SHIFT) - _HALF)
    if place < len(packed) and (packed[place] + _HALF) >> _SHIFT == index:
        packed[place] += 1
    else:
        packed.insert(place, (index << _SHIFT) + 1)


def merge(*histograms: Iterable[int]) -> list[int]:
    """The packed sum of packed histograms."""
    return pack(unpack(entry for histogram in histograms for entry in histogram))


def bands(packed: Iterable[int]) -> list[tuple[float, float, int]]:
    """How many durations lie above one bound in ms and up to the other, a doubling cut into `BANDS_PER_DOUBLING`.

    Bands without any are left out.
    """
    counts: dict[int, int] = {}
    for index, count in unpack(packed).items():
        band = ZERO_INDEX if index == ZERO_INDEX else index * BANDS_PER_DOUBLING // BUCKETS_PER_DOUBLING
        counts[band] = counts.get(band, 0) + count
    return [(*_bounds(band), count) for band, count in sorted(counts.items()) if count > 0]


def _bounds(band: int) -> tuple[float, float]:
    if band == ZERO_INDEX:
        return 0.0, LEAST_MS
    return math.exp2(band / BANDS_PER_DOUBLING), math.exp2((band + 1) / BANDS_PER_DOUBLING)


def quantile(packed: Iterable[int], p: float) -> float | None:
    """The duration in ms that a share `p` (0 to 1) of the values does not exceed; None for an empty histogram."""
    counts = sorted((index, count) for index, count in unpack(packed).items() if count > 0)
    rank = max(1, math.ceil(p * sum(count for _, count in counts)))
    for index, count in counts:
        rank -= count
        if rank <= 0:
            return value_of(index)
    return None


def percentiles(packed: Iterable[int], percents: Sequence[int]) -> list[float | None]:
    """The durations in ms that so many percent of the values do not exceed, in the order of `percents`; all None for an
    empty histogram. An index may stand several times, but every count is positive: this is for sums over all rows."""
    entries = sorted(packed)
    if not entries:
        return [None] * len(percents)
    indexes = [(entry + _HALF) >> _SHIFT for entry in entries]
    up_to = list(accumulate(entry - (index << _SHIFT) for entry, index in zip(entries, indexes, strict=True)))
    ranks = [max(1, -(-percent * up_to[-1] // 100)) for percent in percents]
    return [value_of(indexes[bisect_left(up_to, rank)]) for rank in ranks]
