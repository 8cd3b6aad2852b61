"""Bodies of `/api/v1/traces`. Times of spans are ns since 1970 as decimal strings; durations are ms."""

from typing import Annotated

from pydantic import Field

from schemas.base import Amount, Body, Milliseconds, Name, Time, Usd
from schemas.http import HttpBody
from schemas.http_analytics import PeriodParameters
from schemas.spans import Attributes, Span, SpanId, SpanKind, SpanStatus, TraceId, UnixNano

MAX_SPANS_PAGE = 1_000


class TraceParameters(PeriodParameters):
    """Which traces: begun within the period, and with all that is asked for besides."""

    tenant: Annotated[Name | None, Field(description="Only this tenant's; a key sees its own only.")] = None
    conversation: Annotated[Name | None, Field(description="With a span of this conversation.")] = None
    user: Annotated[Name | None, Field(description="With a span of this user.")] = None
    model: Annotated[Name | None, Field(description="With a call of this model, as answered, else as asked.")] = None
    min_cost_usd: Annotated[Amount | None, Field(description="That cost at least so much.")] = None
    min_duration_ms: Annotated[float | None, Field(ge=0, le=1e12, description="That took at least so long.")] = None
    error: Annotated[bool | None, Field(description="true: with a failed span; false: without one.")] = None


class SpanParameters(HttpBody):
    """Which trace of that id, and which of its spans."""

    tenant: Annotated[Name | None, Field(description="Whose trace; a key sees its own only.")] = None
    limit: Annotated[int, Field(ge=1, le=MAX_SPANS_PAGE, description="Spans a page.")] = MAX_SPANS_PAGE
    cursor: Annotated[str | None, Field(description="The `next` of the page before.")] = None


class RootSpan(Body):
    """The span that a trace begins with; `orphan`: its parent has not come, so it may not stay the first."""

    span_id: SpanId
    service: str
    name: str
    orphan: bool


class TraceView(Body):
    """A trace, summed up over all its spans.

    `duration_ms` is from its first span's start to its last span's end. `cost_usd` is that of its calls; those without
    a price are counted in `unpriced_calls`. `closed`: no span came for a while; null: not every partition was read yet.
    """

    trace_id: TraceId
    tenant_id: str | None
    root: RootSpan
    started_at: Time
    ended_at: Time
    duration_ms: Milliseconds
    span_count: int
    error_spans: int
    calls: int
    unpriced_calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: Usd
    services: list[str]
    models: list[str]
    conversation_ids: list[str]
    user_ids: list[str]
    closed: bool | None


class PathStep(Body):
    """A span on the critical path, and for how long the trace waited for nothing but it."""

    span_id: SpanId
    service: str
    name: str
    self_ms: Milliseconds


class ServiceView(Body):
    """One service of a trace; `critical_ms`: of the critical path, what is its."""

    service: str
    spans: int
    errors: int
    critical_ms: Milliseconds


class EdgeView(Body):
    """One service calling another, or the provider of a model."""

    caller: str
    called: str
    calls: int
    errors: int
    total_ms: Milliseconds
    longest_ms: Milliseconds


class SpanView(Span):
    """A span with the service that it is of."""

    service: str
    resource: Attributes | None = None


class LinkedSpanView(Body):
    """A span of another trace that worked on this one among others."""

    trace_id: TraceId
    span_id: SpanId
    service: str
    name: str
    kind: SpanKind
    status: SpanStatus
    start_unix_nano: UnixNano
    end_unix_nano: UnixNano


class TraceDetail(TraceView):
    """A trace with its shape and a page of its spans, earliest first; `next` is the cursor of the next page.

    The shape (critical path, service graph) is that of the most telling spans: `outlined_spans` of them.
    `orphan_spans` name a parent that has not come, `skewed_spans` begin before their parent.
    """

    critical_path: list[PathStep]
    service_figures: list[ServiceView]
    edges: list[EdgeView]
    outlined_spans: int
    orphan_spans: int
    skewed_spans: int
    spans: list[SpanView]
    linked_spans: list[LinkedSpanView]
    watermark: Time | None
    next: str | None
