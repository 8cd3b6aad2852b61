"""The latency histogram: its error and its merging."""

import math

from hypothesis import given
from hypothesis import strategies as st

from observatory.rules.sketch import (
    LEAST_MS,
    MAX_RELATIVE_ERROR,
    MOST_MS,
    bands,
    index_of,
    merge,
    pack,
    percentiles,
    quantile,
    unpack,
    value_of,
)

values_ms = st.floats(LEAST_MS, MOST_MS)
shares = st.floats(0, 1)
histograms = st.dictionaries(st.integers(-1000, 1279), st.integers(-(2**39), 2**39 - 1).filter(bool), max_size=20)


def histogram(values: list[float]) -> list[int]:
    counts: dict[int, int] = {}
    for value in values:
        counts[index_of(value)] = counts.get(index_of(value), 0) + 1
    return pack(counts)


@given(values_ms)
def test_a_value_is_reported_within_the_promised_error(value: float) -> None:
    assert MAX_RELATIVE_ERROR < 0.0109
    assert abs(value_of(index_of(value)) - value) <= value * MAX_RELATIVE_ERROR * (1 + 1e-9)


@given(st.lists(values_ms, min_size=1), shares)
def test_a_quantile_is_within_the_promised_error(values: list[float], p: float) -> None:
    exact = sorted(values)[max(1, math.ceil(p * len(values))) - 1]
    estimate = quantile(histogram(values), p)
    assert estimate is not None
    assert abs(estimate - exact) <= exact * MAX_RELATIVE_ERROR * (1 + 1e-9)


@given(st.lists(values_ms), st.lists(values_ms))
def test_merging_is_as_if_all_had_been_in_one(some: list[float], others: list[float]) -> None:
    assert merge(histogram(some), histogram(others)) == histogram([*some, *others])


@given(histograms)
def test_signed_counts_survive_packing(counts: dict[int, int]) -> None:
    assert unpack(pack(counts)) == counts


@given(histograms.map(lambda counts: {index: max(-(2**38), min(2**38, n)) for index, n in counts.items()}))
def test_what_is_taken_back_is_gone(counts: dict[int, int]) -> None:
    assert merge(pack(counts), pack({index: -count for index, count in counts.items()})) == []


def test_zero_has_a_bucket_and_an_empty_histogram_no_quantile() -> None:
    assert quantile(histogram([0.0, 0.0, 5.0]), 0.5) == 0.0
    assert quantile([], 0.5) is None
    assert quantile(pack({3: -1}), 0.5) is None


@given(st.lists(st.lists(values_ms, max_size=60), max_size=4))
def test_percentiles_of_several_histograms_together_are_those_of_their_sum(parts: list[list[float]]) -> None:
    packed = [entry for values in parts for entry in histogram(values)]
    assert percentiles(packed, (50, 90, 95, 99, 100)) == [
        quantile(packed, share) for share in (0.5, 0.9, 0.95, 0.99, 1.0)
    ]


def test_percentiles_are_exact_where_floats_are_not() -> None:
    # 0.07 * 100 is a little more than 7 in floats: the seventh of a hundred values is meant, not the eighth.
    packed = [(n << 40) + 1 for n in range(100)]
    assert percentiles(packed, (7, 100)) == [value_of(6), value_of(99)]


@given(st.lists(values_ms | st.just(0.0), max_size=30))
def test_bands_count_each_value_between_their_bounds(values: list[float]) -> None:
    found = bands(histogram(values))
    assert sum(count for *_, count in found) == len(values)
    near = 1 + 1e-9
    for above, up_to, count in found:
        inside = sum(above * near < value <= up_to / near for value in values)
        about = sum(above / near <= value <= up_to * near for value in values)
        assert inside <= count <= about
