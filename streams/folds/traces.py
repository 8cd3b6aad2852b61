"""Traces: each from its spans, by tenant and trace id; late ones and repeats included. Spans are rows beside it.

A tenant chooses the ids of its traces, so another tenant's spans under the same id are another trace.
"""

from datetime import UTC, datetime, timedelta

import msgspec

from observatory.adapters.postgres.traces import SPAN_COLUMNS, SPANS
from observatory.rules.traces import ModelCall, Outline, Trace, shortened
from observatory.rules.tracing import INPUT_TOKENS, OUTPUT_TOKENS, PROVIDER, REQUEST_MODEL, RESPONSE_MODEL
from schemas.topics import TRACE_SPANS
from streams.engine.fold import At, Fold, Out, RowTable, key_of
from streams.folds.spans import KEEP, SpanFields, SpansFields, cost_of_span

NAME = "traces"
UNKNOWN = "unknown"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def key(received: SpansFields) -> str:
    """Tenant and trace."""
    return key_of(received.tenant_id or "", received.trace_id)


def apply(state: Trace | None, received: SpansFields, at: At, out: Out) -> Trace | None:
    """Adds the spans that are new, and hands them on as rows."""
    trace = state or Trace(received.tenant_id or "", received.trace_id)
    resource = _json(received.resource)
    service, changed = shortened(received.service), False
    for span in received.spans:
        outline = _outline(span, service)
        if not trace.add(span.span_id, outline):
            continue
        changed = True
        if outline.call is not None:
            trace.note("models", outline.call.model)
        trace.note("conversation_ids", span.conversation_id)
        trace.note("user_ids", span.user_id)
        out.row(SPANS, _row(received, span, resource))
    if not changed:
        return None
    trace.note("services", service)
    return trace


def _outline(span: SpanFields, service: str) -> Outline:
    start_us = int(span.start_unix_nano) // 1_000
    return Outline(
        parent=span.parent_span_id or "",
        service=service,
        name=shortened(span.name),
        start_us=start_us,
        end_us=max(start_us, int(span.end_unix_nano) // 1_000),
        error=span.status == "error",
        call=None if span.call_id is None else _call(span),
    )


def _call(span: SpanFields) -> ModelCall:
    attributes = span.attributes or {}
    model = attributes.get(RESPONSE_MODEL) or attributes.get(REQUEST_MODEL) or UNKNOWN
    return ModelCall(
        provider=shortened(str(attributes.get(PROVIDER) or UNKNOWN)),
        model=shortened(str(model)),
        cost_usd=cost_of_span(span),
        input_tokens=_tokens(attributes.get(INPUT_TOKENS)),
        output_tokens=_tokens(attributes.get(OUTPUT_TOKENS)),
    )


def _tokens(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 2**53 else 0


def _row(received: SpansFields, span: SpanFields, resource: str | None) -> tuple[object, ...]:
    start_ns = int(span.start_unix_nano)
    return (
        received.tenant_id or "",
        received.trace_id,
        span.span_id,
        span.parent_span_id,
        _EPOCH + timedelta(microseconds=start_ns // 1_000),
        start_ns,
        max(start_ns, int(span.end_unix_nano)),
        received.service,
        span.name,
        span.kind,
        span.status,
        span.status_message,
        span.scope,
        resource,
        _json(span.attributes),
        _json(span.events),
        _json(span.links),
        span.dropped,
        span.conversation_id,
        span.user_id,
        span.request_id,
        span.call_id,
        cost_of_span(span),
    )


def _json(value: object) -> str | None:
    return msgspec.json.encode(value).decode() if value else None


TRACES = Fold(
    name=NAME, inputs=(TRACE_SPANS,), state=Trace, key=key, apply=apply, keep=KEEP,
    rows=(RowTable(name=SPANS, columns=SPAN_COLUMNS),),
)  # fmt: skip
