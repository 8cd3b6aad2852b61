"""The event of tracing: spans of one trace, many in a record (`trace.spans`), in the terms of OpenTelemetry.

Times are nanoseconds since 1970 as decimal strings, as OTLP's JSON has them: no digit is lost on the way.
"""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field, JsonValue, StringConstraints

from schemas.base import Body, Event, Name, Usd

MAX_SPANS = 1_000
MAX_ATTRIBUTES = 128
MAX_EVENTS = 128
MAX_LINKS = 128
MAX_SPAN_NAME = 256
MAX_STATUS_MESSAGE = 4_096

TraceId = Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$")]
SpanId = Annotated[str, StringConstraints(pattern="^[0-9a-f]{16}$")]
UnixNano = Annotated[str, StringConstraints(pattern="^(0|[1-9][0-9]{0,18})$")]
"""Nanoseconds since 1970, UTC."""

SpanName = Annotated[str, StringConstraints(min_length=1, max_length=MAX_SPAN_NAME)]
SpanKind = Literal["internal", "server", "client", "producer", "consumer"]
SpanStatus = Literal["unset", "ok", "error"]
AttributeName = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Attributes = Annotated[dict[AttributeName, JsonValue], Field(max_length=MAX_ATTRIBUTES)]
"""By name. Names of LLM spans are those of OpenTelemetry's GenAI conventions (`gen_ai.request.model`, …)."""


class SpanEvent(Body):
    """Something that happened at one moment of a span."""

    name: SpanName
    at_unix_nano: UnixNano
    attributes: Attributes | None = None


class SpanLink(Body):
    """Another span that this one has to do with, of the same trace or of another."""

    trace_id: TraceId
    span_id: SpanId
    attributes: Attributes | None = None


class Span(Body):
    """One operation of a trace.

    A span that is a call to a model and is accounted has its `call_id`, and then `cost_usd` is that call's cost where
    it is known. `dropped` counts attributes, events and links that were left out.
    """

    span_id: SpanId
    parent_span_id: SpanId | None = None
    name: SpanName
    kind: SpanKind = "internal"
    start_unix_nano: UnixNano
    end_unix_nano: UnixNano
    status: SpanStatus = "unset"
    status_message: Annotated[str, StringConstraints(max_length=MAX_STATUS_MESSAGE)] | None = None
    scope: Name | None = None
    attributes: Attributes | None = None
    events: Annotated[list[SpanEvent], Field(max_length=MAX_EVENTS)] | None = None
    links: Annotated[list[SpanLink], Field(max_length=MAX_LINKS)] | None = None
    dropped: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    conversation_id: Name | None = None
    user_id: Name | None = None
    request_id: UUID | None = None
    call_id: UUID | None = None
    cost_usd: Usd | None = None


class SpansReceived(Event):
    """Spans of one trace from one service. A span that comes again under its id is the same span.

    `tenant_id` is whose trace it is; without one it is the platform's own. `resource` describes the service.
    """

    ce_type: ClassVar[str] = "spans.received.v1"

    trace_id: TraceId
    tenant_id: Name | None = None
    service: Name
    resource: Attributes | None = None
    spans: Annotated[list[Span], Field(min_length=1, max_length=MAX_SPANS)]
