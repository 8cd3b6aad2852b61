"""Traces as they are shown: over HTTP and by the command line."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from observatory.adapters.postgres.traces import LinkedSpan, StoredSpan, StoredTrace
from observatory.rules.trace_shape import Shape, shape_of
from observatory.rules.traces import Outline, Trace
from schemas.http_traces import (
    EdgeView,
    LinkedSpanView,
    PathStep,
    RootSpan,
    ServiceView,
    SpanView,
    TraceDetail,
    TraceView,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def view_of(stored: StoredTrace) -> TraceView:
    """A trace in a list."""
    return TraceView.model_validate(_figures(stored))


def detail_of(
    stored: StoredTrace,
    spans: Sequence[StoredSpan],
    linked: Sequence[LinkedSpan],
    watermark: datetime | None,
    following: str | None,
) -> TraceDetail:
    """A trace with its shape and some of its spans."""
    outlines = stored.trace.outlines
    shape = shape_of(outlines)
    return TraceDetail.model_validate(
        _figures(stored)
        | {
            "critical_path": [_step(outlines[span_id], span_id, own_us) for span_id, own_us in shape.critical_path],
            "service_figures": _services(shape),
            "edges": _edges(shape),
            "outlined_spans": len(outlines),
            "orphan_spans": shape.orphans,
            "skewed_spans": shape.skewed,
            "spans": [_span(span) for span in spans],
            "linked_spans": [_linked(span) for span in linked],
            "watermark": watermark,
            "next": following,
        }
    )


def _figures(stored: StoredTrace) -> dict[str, object]:
    trace, sums = stored.trace, stored.trace.sums
    return {
        "trace_id": trace.trace_id,
        "tenant_id": trace.tenant_id or None,
        "root": _root(trace),
        "started_at": _moment(sums.start_us),
        "ended_at": _moment(sums.end_us),
        "duration_ms": _ms(sums.end_us - sums.start_us),
        "span_count": sums.spans,
        "error_spans": sums.errors,
        "calls": sums.calls,
        "unpriced_calls": sums.unpriced_calls,
        "input_tokens": sums.input_tokens,
        "output_tokens": sums.output_tokens,
        "cost_usd": sums.cost_usd,
        "services": trace.services,
        "models": trace.models,
        "conversation_ids": trace.conversation_ids,
        "user_ids": trace.user_ids,
        "closed": stored.closed,
    }


def _root(trace: Trace) -> RootSpan:
    first = trace.first
    if first is None:
        raise ValueError(f"trace {trace.trace_id} is stored without a span")
    return RootSpan(span_id=first.span_id, service=first.service, name=first.name, orphan=first.orphan)


def _step(outline: Outline, span_id: str, own_us: int) -> PathStep:
    return PathStep(span_id=span_id, service=outline.service, name=outline.name, self_ms=_ms(own_us))


def _services(shape: Shape) -> list[ServiceView]:
    return [
        ServiceView(
            service=name, spans=figures.spans, errors=figures.errors, critical_ms=_ms(figures.critical_us)
        )
        for name, figures in shape.services.items()
    ]  # fmt: skip


def _edges(shape: Shape) -> list[EdgeView]:
    return [
        EdgeView(
            caller=caller,
            called=called,
            calls=figures.calls,
            errors=figures.errors,
            total_ms=_ms(figures.total_us),
            longest_ms=_ms(figures.longest_us),
        )
        for (caller, called), figures in shape.edges.items()
    ]


def _span(span: StoredSpan) -> SpanView:
    fields = asdict(span)
    times = {"start_unix_nano": str(fields.pop("start_ns")), "end_unix_nano": str(fields.pop("end_ns"))}
    return SpanView.model_validate(fields | times)


def _linked(span: LinkedSpan) -> LinkedSpanView:
    fields = asdict(span)
    times = {"start_unix_nano": str(fields.pop("start_ns")), "end_unix_nano": str(fields.pop("end_ns"))}
    return LinkedSpanView.model_validate(fields | times)


def _moment(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)


def _ms(us: int) -> float:
    return us / 1000
