"""One span for each batch that holds calls of recorded traces, with links to them: it costs a batch, not a call."""

import time
from collections.abc import Iterable

from opentelemetry.trace import SpanKind

from observatory.adapters.kafka import Record
from observatory.adapters.tracing import Timed, Tracing, wall_offset_ns
from observatory.rules.tracing import TraceContext, parse_traceparent
from schemas.spans import MAX_LINKS
from schemas.topics import LLM_CALLS


class BatchTraces:
    """Traces the applying of batches."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def applied(self, records: Iterable[Record], started: float) -> None:
        """A batch was applied from `started` (monotonic) until now; nothing when none of its calls is traced."""
        count, linked = 0, dict[str, TraceContext]()
        for record in records:
            count += 1
            context = _traced(record)
            if context is not None and len(linked) < MAX_LINKS:
                linked.setdefault(context.trace_id, context)
        if not linked:
            return
        offset_ns = wall_offset_ns()
        span = Timed(
            name=f"apply {LLM_CALLS.name}",
            start_ns=round(started * 1e9) + offset_ns,
            end_ns=time.monotonic_ns() + offset_ns,
            kind=SpanKind.CONSUMER,
            attributes={
                "messaging.system": "kafka",
                "messaging.destination.name": LLM_CALLS.name,
                "messaging.batch.message_count": count,
            },
            links=list(linked.values()),
        )
        self._tracing.record(self._tracing.follow(), None, span)


def _traced(record: Record) -> TraceContext | None:
    for name, value in reversed(record.headers):
        if name == "traceparent":
            context = parse_traceparent(value.decode("latin-1")) if value else None
            return context if context is not None and context.sampled else None
    return None
