"""One-second windows of what was called, as it happens (`metrics.live`)."""

from typing import Annotated, ClassVar

from pydantic import Field

from schemas.base import MAX_NAME_LENGTH, Body, Event, Name, Time, Usd

Count = Annotated[int, Field(ge=0)]
Histogram = Annotated[
    list[int],
    Field(description="An OpenTelemetry exponential histogram of scale 5 of ms: index * 2^40 + count, ascending"),
]
MaybeName = Annotated[str, Field(max_length=MAX_NAME_LENGTH)]


class WindowSums(Body):
    """Sums over calls that ended in a window; histograms can be added, percentiles cannot."""

    calls: Count
    errors: Count
    unpriced_calls: Count
    input_tokens: Count
    output_tokens: Count
    cost_usd: Usd
    latency_ms_hist: Histogram
    ttft_ms_hist: Histogram


class ModelWindow(WindowSums):
    """The share of one model; empty names: of all that found no place of their own."""

    provider: MaybeName
    model: MaybeName


class MetricsWindow(WindowSums, Event):
    """What the broker took of a tenant's calls within a second, by its own clock.

    A window is published as it grows, with a higher `revision` each time, and once more when it is `complete`: keep
    the highest revision of each (`tenant_id`, `window_start`). A second without calls has no window.
    """

    ce_type: ClassVar[str] = "metrics.window.v1"

    tenant_id: Name
    window_start: Time
    revision: Count
    complete: bool
    models: list[ModelWindow]
