"""What came of a unit (a user, a conversation, a request) in a variant of an experiment: sums over its requests.

Units whose requests come in several partitions have a state in each; readers add them up.
"""

from datetime import timedelta
from decimal import Decimal

import msgspec

from observatory.rules.money import MONEY, ZERO
from streams.engine.fold import At, Fold, Out, key_of

NAME = "experiment_units"


class Placed(msgspec.Struct, frozen=True):
    """Whose sums. `experiment_version` 0: the client named an experiment that its worker did not know."""

    tenant_id: str
    experiment_id: str
    experiment_version: int
    variant_id: str
    unit: str

    @property
    def key(self) -> str:
        """The name of the unit's state."""
        return key_of(self.tenant_id, self.experiment_id, str(self.experiment_version), self.variant_id, self.unit)


class Sums(msgspec.Struct, frozen=True):
    """What requests come to. `failed` are those without an answer, `answered` the others, whose calls took `latency_us`
    (microseconds) together; ratings are counted in millionths."""

    requests: int = 0
    failed: int = 0
    calls: int = 0
    unpriced_calls: int = 0
    cost_usd: Decimal = ZERO
    answered: int = 0
    latency_us: int = 0
    ratings: int = 0
    rating_millionths: int = 0

    def less(self, other: "Sums") -> "Sums":
        """What has to be added to the other to give this."""
        return Sums(
            self.requests - other.requests,
            self.failed - other.failed,
            self.calls - other.calls,
            self.unpriced_calls - other.unpriced_calls,
            MONEY.subtract(self.cost_usd, other.cost_usd),
            self.answered - other.answered,
            self.latency_us - other.latency_us,
            self.ratings - other.ratings,
            self.rating_millionths - other.rating_millionths,
        )


class Told(msgspec.Struct, frozen=True):
    """By how much the sums of a unit change; `first_us`: when the request's first call started."""

    placed: Placed
    change: Sums
    first_us: int


class UnitSums(msgspec.Struct):
    """`Placed` and `Sums` in one, and when the first call of the unit started (microseconds since 1970)."""

    tenant_id: str
    experiment_id: str
    experiment_version: int
    variant_id: str
    unit: str
    first_us: int
    requests: int = 0
    failed: int = 0
    calls: int = 0
    unpriced_calls: int = 0
    cost_usd: Decimal = ZERO
    answered: int = 0
    latency_us: int = 0
    ratings: int = 0
    rating_millionths: int = 0


def apply(state: UnitSums | None, told: Told, at: At, out: Out) -> UnitSums:
    """Adds a change to the sums."""
    placed, change = told.placed, told.change
    if state is None:
        state = UnitSums(
            placed.tenant_id,
            placed.experiment_id,
            placed.experiment_version,
            placed.variant_id,
            placed.unit,
            told.first_us,
        )
    state.first_us = min(state.first_us, told.first_us)
    state.requests += change.requests
    state.failed += change.failed
    state.calls += change.calls
    state.unpriced_calls += change.unpriced_calls
    state.cost_usd = MONEY.add(state.cost_usd, change.cost_usd)
    state.answered += change.answered
    state.latency_us += change.latency_us
    state.ratings += change.ratings
    state.rating_millionths += change.rating_millionths
    return state


EXPERIMENT_UNITS = Fold(
    name=NAME, parent="experiment_requests", state=UnitSums, apply=apply, keep=timedelta(days=400)
)  # fmt: skip
