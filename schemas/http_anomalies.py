"""Bodies of `/api/v1/analytics/anomalies` and `/api/v1/providers/health`."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from schemas.alerts import Severity
from schemas.base import Body, Name, Time, Usd
from schemas.health import HealthState
from schemas.http_analytics import PeriodParameters

AnomalyMetric = Literal["cost_rate", "error_rate", "latency_p95", "tokens_per_call"]
AnomalyState = Literal["standing", "resolved", "all"]


class AnomalyParameters(PeriodParameters):
    """Which anomalies: those that stood at any time of the period."""

    state: Annotated[AnomalyState, Field(description="Those that stand, that are over, or both.")] = "all"
    tenant: Annotated[Name | None, Field(description="Only this tenant's; a key sees its own only.")] = None
    metric: Annotated[AnomalyMetric | None, Field(description="Only those of this figure.")] = None
    model: Annotated[Name | None, Field(description="Only of this model, without the date of its version.")] = None


class AnomalyRow(Body):
    """A figure of a tenant's calls to a model that strayed from what was usual, as it was when it was raised.

    `seen` and `expected` are a share of calls, milliseconds or tokens. Of the cost rate `seen_usd` was spent in
    `seen_s` seconds, and `usual_usd` in the `usual_s` seconds before: exact sums; `factor` compares them with the hour
    of the day and the week in mind, `calls_factor` the number of calls, `price_factor` what a token costs; the last one
    alone may be why it was raised. `until` is up to when windows were in it. `look_at` are calls that it is about.
    """

    alert_id: UUID
    tenant_id: str
    model: str
    metric: AnomalyMetric
    severity: Severity
    message: str
    since: Time
    until: Time
    raised_at: Time
    resolved_at: Time | None
    resolved_because: str | None
    factor: float
    peak_factor: float | None
    deviations: float
    calls: int
    seen: float | None
    expected: float | None
    seen_usd: Usd | None
    seen_s: int | None
    usual_usd: Usd | None
    usual_s: int | None
    calls_factor: float | None
    price_factor: float | None
    look_at: list[UUID]


class ModelHealthView(Body):
    """A model; figures of the minute before `measured_until`, null for who sees one tenant only."""

    model: str
    state: HealthState
    since: Time
    calls: int | None
    errors: int | None
    faults: int | None
    p95_ms: float | None
    usual_p95_ms: float | None


class ProviderHealthView(Body):
    """A provider that was called lately. `faults` are errors of its own."""

    provider: str
    state: HealthState
    since: Time
    measured_until: Time
    calls: int | None
    errors: int | None
    faults: int | None
    models: list[ModelHealthView]


class ProviderHealthList(Body):
    """All providers that were called lately, by name."""

    providers: list[ProviderHealthView]
