"""What came of a unit (a user, a conversation, a request) in a variant of an experiment: sums over its requests.

Units whose requests come in several partitions have a state in each; readers add them up.
"""

from datetime import timedelta
from decimal import Decimal

import msgspec

from observatory.rules.money import MONEY, ZERO
from streams.engine.fold import At, Fold, Out, key_of

NAME = "experiment_units"


class Placed(msgspec.Struct, gc=False, frozen=True):
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


class Sums(msgspec.Struct, gc=False):
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

    def add(self, other: "Sums", sign: int = 1) -> None:
        """Adds the other, or takes it away."""
        combine = MONEY.add if sign > 0 else MONEY.subtract
        self.requests += sign * other.requests
        self.failed += sign * other.failed
        self.calls += sign * other.calls
        self.unpriced_calls += sign * other.unpriced_calls
        self.cost_usd = combine(self.cost_usd, other.cost_usd)
        self.answered += sign * other.answered
        self.latency_us += sign * other.latency_us
        self.ratings += sign * other.ratings
        self.rating_millionths += sign * other.rating_millionths

    def less(self, other: "Sums") -> "Sums":
        """What has to be added to the other to give this."""
        difference = msgspec.structs.replace(self)
        difference.add(other, -1)
        return difference


class Told(msgspec.Struct, gc=False, frozen=True):
    """By how much the sums of a unit change; `first_us`: when the request's first call started."""

    placed: Placed
    change: Sums
    first_us: int


class UnitSums(Sums, kw_only=True):
    """`Placed` and `Sums` in one, and when the first call of the unit started (microseconds since 1970)."""

    tenant_id: str
    experiment_id: str
    experiment_version: int
    variant_id: str
    unit: str
    first_us: int


def apply(state: UnitSums | None, told: Told, at: At, out: Out) -> UnitSums:
    """Adds a change to the sums."""
    if state is None:
        state = UnitSums(**msgspec.structs.asdict(told.placed), first_us=told.first_us)
    state.first_us = min(state.first_us, told.first_us)
    state.add(told.change)
    return state


EXPERIMENT_UNITS = Fold(
    name=NAME, parent="experiment_requests", state=UnitSums, apply=apply, keep=timedelta(days=400)
)  # fmt: skip
