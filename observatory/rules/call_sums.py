"""What calls, scores and models add up to: exact, in any order, and bounded.

Whatever can be taken back later is a sum here: a revision replaces a call by adding the new and subtracting the old.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from operator import add, sub

import msgspec

from observatory.rules.money import MONEY, ZERO

TOKENS = (
    "uncached_input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "output_tokens",
    "reasoning_tokens", "input_audio_tokens", "output_audio_tokens", "input_image_tokens",
)  # fmt: skip
"""The order of the buckets wherever they are a list; reasoning is a part of the output."""

MOST_NAMES = 32
"""Of models, and of kinds and names of scores, wherever they are told apart."""

INPUT = (0, 1, 2, 3, 6, 8)
"""Which of them make up what a model had to read."""


def plain(amount: Decimal) -> Decimal:
    """The one spelling of an amount: equal sums are equal texts, whatever was added in between."""
    amount = MONEY.normalize(amount)
    # From ten on the last zero may stand left of the point, and only then is there a look at the digits worth its time.
    return MONEY.quantize(amount, _ONE) if amount.adjusted() > 0 and amount == amount.to_integral_value() else amount


_ONE = Decimal(1)


class Sums(msgspec.Struct, gc=False):
    """Sums over calls that were sent. `cost_usd` lacks the unpriced ones, and has the estimated part in it."""

    requests: int = 0
    calls: int = 0
    errors: int = 0
    unpriced_calls: int = 0
    estimated_calls: int = 0
    tokens: list[int] = msgspec.field(default_factory=lambda: [0] * len(TOKENS))
    cost_usd: Decimal = ZERO
    estimated_cost_usd: Decimal = ZERO

    def add(self, other: "Sums", sign: int = 1) -> None:
        """Adds the other, or takes it away."""
        combine, each = (MONEY.add, add) if sign > 0 else (MONEY.subtract, sub)
        self.requests += sign * other.requests
        self.calls += sign * other.calls
        self.errors += sign * other.errors
        self.unpriced_calls += sign * other.unpriced_calls
        self.estimated_calls += sign * other.estimated_calls
        self.tokens = list(map(each, self.tokens, other.tokens))
        self.cost_usd = combine(self.cost_usd, other.cost_usd)
        if other.estimated_cost_usd:
            self.estimated_cost_usd = combine(self.estimated_cost_usd, other.estimated_cost_usd)

    def book(self, change: "Sums") -> None:
        """Adds a change to sums that are kept: equal sums are then written alike."""
        self.add(change)
        self.cost_usd = plain(self.cost_usd)
        if self.estimated_cost_usd:
            self.estimated_cost_usd = plain(self.estimated_cost_usd)
        else:
            self.estimated_cost_usd = ZERO


class Tally(msgspec.Struct, gc=False, array_like=True):
    """Scores in millionths: how many, their sum, the sum of their squares; how many above one half, and below."""

    n: int = 0
    total: int = 0
    squares: int = 0
    ups: int = 0
    downs: int = 0

    def score(self, millionths: int) -> None:
        """Counts a score."""
        self.add(Tally(1, millionths, millionths * millionths, int(millionths > _HALF), int(millionths < _HALF)))

    def add(self, other: "Tally", sign: int = 1) -> None:
        """Adds the other, or takes it away."""
        self.n += sign * other.n
        self.total += sign * other.total
        self.squares += sign * other.squares
        self.ups += sign * other.ups
        self.downs += sign * other.downs


_HALF = 500_000
_NONE = Tally()


def differences(before: Mapping[str, Tally], after: Mapping[str, Tally]) -> dict[str, Tally]:
    """What has to be added to get from one to the other, by name."""
    found = {}
    for name in sorted({*before, *after}):
        delta = Tally()
        delta.add(after.get(name, Tally()))
        delta.add(before.get(name, Tally()), -1)
        if delta != Tally():
            found[name] = delta
    return found


def merged(counts: dict[str, int], deltas: Mapping[str, int], most: int) -> tuple[dict[str, int], int]:
    """Counts by name after the change, and what falls to names that have no place.

    The alphabetically first `most` names have one: which those are does not depend on the order in which they came.
    A name whose count is 0 has none.
    """
    if not deltas:
        return counts, 0
    sums = dict(counts)
    left_out = 0
    for name, delta in deltas.items():
        count = sums.get(name, 0) + delta
        if count > 0:
            sums[name] = count
        else:
            sums.pop(name, None)
            left_out += count
    if len(sums) <= most:
        return sums, left_out
    kept, rest = _first(sums, most)
    return {name: sums[name] for name in kept}, left_out + sum(sums[name] for name in rest)


def merged_tallies(tallies: dict[str, Tally], deltas: Mapping[str, Tally], most: int) -> tuple[dict[str, Tally], int]:
    """As `merged`, for scores; the second is how many of them have no place."""
    if not deltas:
        return tallies, 0
    sums = dict(tallies)
    left_out = 0
    for name, delta in deltas.items():
        tally = msgspec.structs.replace(sums.pop(name, _NONE))
        tally.add(delta)
        if tally.n > 0:
            sums[name] = tally
        else:
            left_out += tally.n
    if len(sums) <= most:
        return sums, left_out
    kept, rest = _first(sums, most)
    return {name: sums[name] for name in kept}, left_out + sum(sums[name].n for name in rest)


class Activity(msgspec.Struct, gc=False, omit_defaults=True, kw_only=True):
    """What the requests of somebody, or in something, add up to; microseconds since 1970, 0 before the first call.

    Models and scores beyond `MOST_NAMES` of each are counted without their names.
    """

    tenant_id: str
    first_us: int
    last_us: int
    sums: Sums = msgspec.field(default_factory=Sums)
    models: dict[str, int] = {}
    other_model_calls: int = 0
    scores: dict[str, Tally] = {}
    other_scores: int = 0

    def span(self, first_us: int, last_us: int) -> None:
        """It began and ended no later, and no earlier, than this; nothing for one without a call."""
        if last_us:
            self.first_us = min(self.first_us or first_us, first_us)
            self.last_us = max(self.last_us, last_us)

    def book(self, sums: Sums, models: Mapping[str, int], scores: Mapping[str, Tally]) -> None:
        """Adds a change."""
        self.sums.book(sums)
        self.models, more = merged(self.models, models, MOST_NAMES)
        self.other_model_calls += more
        self.scores, more = merged_tallies(self.scores, scores, MOST_NAMES)
        self.other_scores += more


def _first(names: Iterable[str], most: int) -> tuple[list[str], list[str]]:
    ordered = sorted(names)
    return ordered[:most], ordered[most:]
