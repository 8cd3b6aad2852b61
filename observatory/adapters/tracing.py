"""Spans of our own work, to the topic `trace.spans`: made from times that were taken anyway, sent beside the work.

What cannot be sent is dropped and counted: no request ever waits for its trace or fails with it.
"""

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from aiokafka.structs import RecordMetadata
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from prometheus_client import Counter

from observatory.adapters.kafka import Publisher
from observatory.adapters.settings import Settings
from observatory.adapters.span_records import SpanRecord, span_records
from observatory.rules.tracing import TENANT_ID, Sampler, TraceContext, parse_traceparent
from schemas.spans import SpansReceived
from schemas.topics import TRACE_SPANS

log = logging.getLogger(__name__)

MAX_WAITING = 16_384
EXPORT_EVERY_S = 0.5
LINGER_MS = 50
AT_ONCE = 16
"""Records that are sent before the requests under way get their turn on the event loop."""
STOP_S = 2.0
PAUSE_S = 1.0

SPANS = Counter("observatory_spans_total", "Spans of our own work by what became of them", ["outcome"])
_SENT, _DROPPED = SPANS.labels("sent"), SPANS.labels("dropped")

Attributes = Mapping[str, str | bool | int | float | Sequence[str]]

_FLAGS = TraceFlags(TraceFlags.SAMPLED)
_FINE = Status(StatusCode.UNSET)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """An operation that has ended, in ns since 1970.

    `error`: what went wrong, None when nothing did. `span_id`: when it must be a certain one. `links`: spans of other
    traces.
    """

    name: str
    start_ns: int
    end_ns: int
    kind: SpanKind = SpanKind.INTERNAL
    attributes: Attributes = field(default_factory=dict)
    error: str | None = None
    span_id: str | None = None
    links: Sequence[TraceContext] = ()


@dataclass(frozen=True, slots=True)
class Begun:
    """A span that has begun here, below `parent_id` if it has one."""

    context: TraceContext
    parent_id: str | None

    @property
    def traceparent(self) -> str:
        """What those below it are given."""
        return self.context.traceparent

    @property
    def sampled(self) -> bool:
        """Whether it will be recorded."""
        return self.context.sampled


def wall_offset_ns() -> int:
    """What to add to the monotonic clock's nanoseconds to get those since 1970, now."""
    return time.time_ns() - time.monotonic_ns()


def new_span_id() -> str:
    """Sixteen hex digits."""
    return os.urandom(8).hex()


class KafkaSpanExporter(SpanExporter):
    """OpenTelemetry's exporter to `trace.spans`: takes spans from any thread, sends them from the event loop."""

    def __init__(self, publisher: Publisher, most: int = MAX_WAITING) -> None:
        self._publisher, self._most = publisher, most
        self._waiting: deque[ReadableSpan] = deque()
        self._connected = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Takes the spans, all or none; never waits. FAILURE when too many wait already: they are dropped."""
        if len(self._waiting) + len(spans) > self._most:
            _DROPPED.inc(len(spans))
            return SpanExportResult.FAILURE
        self._waiting.extend(spans)
        return SpanExportResult.SUCCESS

    async def run(self) -> None:
        """Sends what waits, twice a second, until cancelled; a broker that is away is waited for."""
        while True:
            try:
                if not self._connected:
                    await self._publisher.start()
                    self._connected = True
                await asyncio.sleep(EXPORT_EVERY_S)
                await self.flush()
            except KafkaError as error:
                log.warning("spans: %r, again in %.1f s", error, PAUSE_S)
                await asyncio.sleep(PAUSE_S)

    async def flush(self) -> None:
        """Hands what waits to the producer. Raises `KafkaError`; what was taken by then is dropped."""
        taken = [self._waiting.popleft() for _ in range(len(self._waiting))]
        records = span_records(taken)
        _DROPPED.inc(len(taken) - sum(record.spans for record in records))
        for number, record in enumerate(records):
            try:
                await self._send(record)
            except MessageSizeTooLargeError:
                _DROPPED.inc(record.spans)
            except KafkaError:
                _DROPPED.inc(sum(left.spans for left in records[number:]))
                raise
            if number % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)

    async def stop(self) -> None:
        """Sends the rest, for two seconds at most, and disconnects."""
        try:
            async with asyncio.timeout(STOP_S):
                if self._connected:
                    await self.flush()
                await self._publisher.stop()
        except (KafkaError, TimeoutError) as error:
            log.warning("spans: the last ones were not sent: %r", error)

    async def _send(self, record: SpanRecord) -> None:
        sent = await self._publisher.publish_bytes(
            TRACE_SPANS, record.trace_id, SpansReceived, record.body, record.ce_id
        )

        def acknowledged(future: asyncio.Future[RecordMetadata]) -> None:
            failed = future.cancelled() or future.exception() is not None
            (_DROPPED if failed else _SENT).inc(record.spans)

        sent.add_done_callback(acknowledged)


class Tracing:
    """What a process traces with. With a ratio of 0 nothing is recorded, whatever the parent says."""

    def __init__(self, settings: Settings, service: str) -> None:
        self._sampler = Sampler(settings.trace_ratio, settings.traces_per_second, time.monotonic)
        instance = settings.instance or service
        self._resource = Resource({SERVICE_NAME: service, SERVICE_INSTANCE_ID: instance})
        self._exporter: KafkaSpanExporter | None = None
        self._task: asyncio.Task[None] | None = None
        if settings.trace_ratio > 0:
            self._exporter = KafkaSpanExporter(Publisher(settings.kafka, f"{instance}-spans", linger_ms=LINGER_MS))

    def start(self) -> None:
        """Begins to send, in a running loop."""
        if self._exporter is not None:
            self._task = asyncio.create_task(self._exporter.run(), name="spans")

    async def stop(self) -> None:
        """Sends what waits and ends."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._exporter is not None:
            await self._exporter.stop()

    def begin(self, traceparent: str | None = None) -> Begun:
        """A span below `traceparent`, or one that begins a trace when that is missing or invalid."""
        parent = parse_traceparent(traceparent)
        if parent is None:
            trace_id = os.urandom(16).hex()
            sampled = self._sampler.samples(trace_id)
            return Begun(TraceContext(trace_id, new_span_id(), sampled), None)
        return Begun(TraceContext(parent.trace_id, new_span_id(), parent.sampled), parent.span_id)

    def follow(self) -> Begun:
        """A span that begins a trace of its own and is recorded because it links to those that are."""
        return Begun(TraceContext(os.urandom(16).hex(), new_span_id(), sampled=True), None)

    def record(self, begun: Begun, tenant_id: str | None, span: Timed, below: Sequence[Timed] = ()) -> None:
        """Exports the span that began here and those `below` it; does nothing when the trace is not recorded."""
        if self._exporter is None or not begun.sampled:
            return
        trace_id, span_id, _ = begun.context
        own = _context(trace_id, span_id)
        parent = None if begun.parent_id is None else _context(trace_id, begun.parent_id)
        spans = [self._readable(span, own, parent, tenant_id)]
        for child in below:
            context = _context(trace_id, child.span_id or new_span_id())
            spans.append(self._readable(child, context, own, tenant_id))
        self._exporter.export(spans)

    def _readable(
        self, span: Timed, context: SpanContext, parent: SpanContext | None, tenant_id: str | None
    ) -> ReadableSpan:
        attributes = span.attributes if tenant_id is None else {TENANT_ID: tenant_id, **span.attributes}
        return ReadableSpan(
            span.name,
            context,
            parent,
            self._resource,
            attributes,
            links=[Link(_context(link.trace_id, link.span_id)) for link in span.links],
            kind=span.kind,
            status=_FINE if span.error is None else Status(StatusCode.ERROR, span.error),
            start_time=span.start_ns,
            end_time=max(span.start_ns, span.end_ns),
        )


def _context(trace_id: str, span_id: str) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=_FLAGS)
