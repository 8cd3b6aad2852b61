"""Traces as the stream workers keep them, and their spans."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import msgspec
import orjson
from asyncpg import Record

from observatory.adapters.postgres.pool import Connection, Pool
from observatory.adapters.postgres.queries import load_queries
from observatory.rules.traces import Trace

_SQL = load_queries("observatory.adapters.postgres", "traces.sql")

SPANS = "ledger.spans"
SPAN_COLUMNS = (
    "tenant_id", "trace_id", "span_id", "parent_span_id", "start_at", "start_ns", "end_ns", "service", "name", "kind",
    "status", "status_message", "scope", "resource", "attributes", "events", "links", "dropped", "conversation_id",
    "user_id", "request_id", "call_id", "cost_usd",
)  # fmt: skip

IDLE = timedelta(seconds=30)
"""A trace for which nothing came for so long is closed; what still comes is taken in all the same."""
LINKED_LATER = timedelta(hours=1)
MOST_LINKED = 20

_decode = msgspec.json.Decoder(Trace).decode

Json = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceFilter:
    """Which traces: begun from `start` until before `end`, and as far as it is given, whose and what they hold."""

    tenant: str | None
    start: datetime
    end: datetime
    conversation: str | None = None
    user: str | None = None
    model: str | None = None
    min_cost_usd: Decimal | None = None
    min_duration_us: int | None = None
    error: bool | None = None


@dataclass(frozen=True, slots=True)
class StoredTrace:
    """A trace; `closed`: nothing came for a while, None while not every partition was read yet."""

    trace: Trace
    closed: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSpan:
    """One span, times in ns since 1970."""

    span_id: str
    parent_span_id: str | None
    start_ns: int
    end_ns: int
    service: str
    name: str
    kind: str
    status: str
    status_message: str | None
    scope: str | None
    resource: Json | None
    attributes: Json | None
    events: list[Json] | None
    links: list[Json] | None
    dropped: int | None
    conversation_id: str | None
    user_id: str | None
    request_id: UUID | None
    call_id: UUID | None
    cost_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedSpan:
    """A span of another trace that names this one."""

    trace_id: str
    span_id: str
    start_ns: int
    end_ns: int
    service: str
    name: str
    kind: str
    status: str


class Traces:
    """Traces for people."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def until(self) -> datetime | None:
        """Up to when all spans that the broker took are in; None while not every partition was read yet."""
        until: datetime | None = await self._pool.fetchval(_SQL["until"])
        return until

    async def page(self, wanted: TraceFilter, after: tuple[int, str] | None, limit: int) -> list[StoredTrace]:
        """Latest first, after the (start in µs, trace id) given; without the outlines of their spans."""
        rows = await self._pool.fetch(
            _SQL["page"], wanted.tenant, _us(wanted.start), _us(wanted.end), wanted.conversation,
            wanted.user, wanted.model, wanted.min_cost_usd, wanted.min_duration_us, wanted.error,
            *(after or (None, None)), IDLE, limit,
        )  # fmt: skip
        return [_stored(row) for row in rows]

    async def get(self, tenant: str | None, trace_id: str) -> list[StoredTrace]:
        """The tenant's trace of that id; without a tenant every tenant's."""
        rows = await self._pool.fetch(_SQL["traces"], trace_id, tenant, IDLE)
        return [_stored(row) for row in rows]

    async def spans(self, trace: Trace, after: tuple[int, str] | None, limit: int) -> list[StoredSpan]:
        """A trace's spans, earliest first, after the (start in ns, span id) given."""
        rows = await self._pool.fetch(
            _SQL["spans"], trace.tenant_id, trace.trace_id, _at(trace.sums.start_us), _at(trace.sums.end_us),
            *(after or (None, None)), limit,
        )  # fmt: skip
        return [_span(row) for row in rows]

    async def linked(self, trace: Trace) -> list[LinkedSpan]:
        """Spans of other traces that name this one, the first of them."""
        rows = await self._pool.fetch(
            _SQL["linked"], trace.tenant_id, trace.trace_id, _at(trace.sums.start_us) - LINKED_LATER,
            _at(trace.sums.end_us) + LINKED_LATER, MOST_LINKED,
        )  # fmt: skip
        return [LinkedSpan(**row) for row in rows]


async def drop_old_spans(connection: Connection, keep: timedelta) -> int:
    """Drops the chunks of spans that are wholly older; returns how many."""
    return int(await connection.fetchval(_SQL["drop_old_chunks"], keep))


def _stored(row: Record) -> StoredTrace:
    return StoredTrace(_decode(row["trace"]), row["closed"])


def _span(row: Record) -> StoredSpan:
    fields = dict(row)
    for name in ("resource", "attributes", "events", "links"):
        fields[name] = None if fields[name] is None else orjson.loads(fields[name])
    for name in ("request_id", "call_id"):  # the database's client has a UUID of its own
        fields[name] = None if fields[name] is None else UUID(int=fields[name].int)
    return StoredSpan(**fields)


def _us(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)


def _at(us: int) -> datetime:
    return datetime.fromtimestamp(us // 1_000_000, UTC) + timedelta(microseconds=us % 1_000_000)
