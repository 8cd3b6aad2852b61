"""How well providers serve (`provider.health`): the latest of each provider is what holds."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from schemas.base import Body, Event, Milliseconds, Name, Time

HealthState = Literal["healthy", "degraded", "down"]
Count = Annotated[int, Field(ge=0)]


class ModelHealth(Body):
    """A model in the minute before `measured_until`; what is not known is left out."""

    model: Name
    state: HealthState
    since: Time
    calls: Count
    errors: Count
    faults: Annotated[int, Field(ge=0, description="Errors that are the provider's own, not a request's or a limit's")]
    p95_ms: Milliseconds | None = None
    usual_p95_ms: Milliseconds | None = None


class ProviderHealth(Event):
    """A provider in the minute before `measured_until`, published when its state changes and every ten seconds.

    `down`: nearly all calls fail by its own fault. `degraded`: many do, or it is much slower than usual, or one of its
    models is not healthy. A provider that nobody calls is not told of.
    """

    ce_type: ClassVar[str] = "provider.health.v1"

    provider: Name
    state: HealthState
    since: Time
    measured_until: Time
    calls: Count
    errors: Count
    faults: Count
    models: list[ModelHealth]
