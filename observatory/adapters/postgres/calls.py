"""Calls one by one, as the ledger knows them: page by page in an order, one with the others of its request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import orjson
from asyncpg import Record

from observatory.adapters.postgres.analytics import TAG
from observatory.adapters.postgres.pool import Connection
from observatory.adapters.postgres.queries import load_queries
from observatory.rules.periods import Window

_SQL = load_queries("observatory.adapters.postgres", "calls.sql")

Order = Literal["latest", "cost", "latency", "tokens"]
Value = datetime | Decimal | float | int
Position = tuple[Value, UUID]
"""Where a call stands: the value that calls are ordered by, and its id."""

_TOKENS = """(coalesce(uncached_input_tokens, 0) + coalesce(cache_read_tokens, 0) + coalesce(cache_write_5m_tokens, 0)
 + coalesce(cache_write_1h_tokens, 0) + coalesce(input_audio_tokens, 0) + coalesce(input_image_tokens, 0)
 + coalesce(output_tokens, 0) + coalesce(output_audio_tokens, 0))"""
_VALUES: Mapping[Order, tuple[str, str]] = {
    "latest": ("started_at", "timestamptz"),
    "cost": ("coalesce(cost_usd, -1)", "numeric"),
    "latency": ("coalesce(total_ms, -1)", "double precision"),
    "tokens": (_TOKENS, "bigint"),
}
_COLUMNS = {
    "tenant": "tenant_id", "provider": "provider", "model": "coalesce(response_model, request_model)",
    "operation": "operation", "user": "user_id", "conversation": "conversation_id", "api_key": "api_key_id",
    "status": "status", "source": "source", "experiment": "experiment_id", "variant": "variant_id",
    "prompt_version": "prompt_version",
}  # fmt: skip
_NEAR = (timedelta(minutes=10), timedelta(hours=2), timedelta(days=1), timedelta(days=8))
"""How far back the latest calls are looked for, one after the other, before all of the period is."""

_INSTANT = timedelta(microseconds=1)
_OF_ONE_REQUEST = timedelta(days=2)


@dataclass(frozen=True, kw_only=True)
class CallQuery:
    """Which calls, the greatest first; `only` is by dimension or `tag:<key>`. `after`: the page behind that call."""

    period: Window
    only: Mapping[str, Sequence[str]] = field(default_factory=dict)
    order: Order = "latest"
    limit: int
    after: Position | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCall:
    """A fact. Durations in ms; `cost_usd` is None when no price is known; buckets of tokens are disjoint."""

    call_id: UUID
    revision: int
    request_id: UUID
    attempt: int
    source: str
    tenant_id: str
    user_id: str | None
    conversation_id: str | None
    api_key_id: str | None
    operation: str
    provider: str
    model: str
    request_model: str
    status: str
    error_type: str | None
    usage_source: str
    cost_usd: Decimal | None
    cost_state: str
    price_version: str | None
    uncached_input_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int
    input_audio_tokens: int
    output_audio_tokens: int
    input_image_tokens: int
    started_at: datetime
    ended_at: datetime | None
    queue_ms: float | None
    policy_ms: float | None
    ttft_ms: float | None
    total_ms: float | None
    tags: dict[str, Any] | None
    service_tier: str | None
    region: str | None
    experiment_id: str | None
    variant_id: str | None
    prompt_version: str | None


async def read_calls(connection: Connection, query: CallQuery) -> list[tuple[StoredCall, Position]]:
    """The page, each call with its place.

    The latest ones are looked for near the end of the period first, then further back: there is no index of time over
    all tenants, and seldom ones may be far.
    """
    period = query.period
    if query.order == "latest":
        until = period.end if query.after is None else min(period.end, _moment(query.after) + _INSTANT)
        for near in _NEAR:
            if until - near <= period.start:
                break
            found = await _page(connection, query, Window(until - near, until))
            if len(found) == query.limit:
                return found
        period = Window(period.start, until)
    return await _page(connection, query, period)


async def read_call(connection: Connection, call_id: UUID, tenant: str | None) -> StoredCall | None:
    """One call; None when there is none, or not of that tenant (None: of any)."""
    row = await connection.fetchrow(_SQL["one"].format(columns=_SQL["columns"]), call_id, tenant)
    return None if row is None else call_of(row)


async def calls_of_request(connection: Connection, call: StoredCall) -> list[StoredCall]:
    """All calls of the same request, itself among them, by attempt."""
    rows = await connection.fetch(
        _SQL["of_request"].format(columns=_SQL["columns"]),
        call.request_id,
        call.tenant_id,
        call.started_at - _OF_ONE_REQUEST,
        call.started_at + _OF_ONE_REQUEST,
    )
    return [call_of(row) for row in rows]


async def trace_of(connection: Connection, call: StoredCall) -> str | None:
    """The trace that a call was recorded in; None when there is none, or nothing of it has come yet."""
    trace_id: str | None = await connection.fetchval(_SQL["trace"], call.call_id)
    return trace_id


def chosen(group_by: str | None, only: Mapping[str, Sequence[str]], arguments: list[object]) -> tuple[str, str]:
    """The column of a dimension (empty for None) and the condition for `only`, over facts; what it takes is added to
    `arguments`."""

    def column_of(name: str) -> str:
        if name in _COLUMNS:
            return _COLUMNS[name]
        arguments.append(name.removeprefix(TAG))
        return f"tags ->> ${len(arguments)}::text"

    conditions = ["true"]
    for name, values in only.items():
        column = column_of(name)
        arguments.append(list(values))
        conditions.append(f"{column} = ANY (${len(arguments)}::text[])")
    return "" if group_by is None else column_of(group_by), " AND ".join(conditions)


def _moment(position: Position) -> datetime:
    value = position[0]
    assert isinstance(value, datetime)
    return value


async def _page(connection: Connection, query: CallQuery, period: Window) -> list[tuple[StoredCall, Position]]:
    value, kind = _VALUES[query.order]
    arguments: list[object] = [period.start, period.end, query.limit]
    _, wanted = chosen(None, query.only, arguments)
    conditions = [wanted]
    if query.after is not None:
        arguments += query.after
        conditions.append(f"({value}, call_id) < (${len(arguments) - 1}::{kind}, ${len(arguments)}::uuid)")
    statement = _SQL["page"].format(
        position=value,
        columns=_SQL["columns"],
        where=" AND ".join(conditions),
        by=f"{value} DESC, call_id DESC",
    )
    rows = await connection.fetch(statement, *arguments)
    return [(call_of(row), (row["position"], row["call_id"])) for row in rows]


_FIELDS = tuple(each.name for each in fields(StoredCall))


def call_of(row: Record) -> StoredCall:
    """The call in a row that has its `columns`."""
    known = {name: row[name] for name in _FIELDS}
    if known["tags"] is not None:
        known["tags"] = orjson.loads(known["tags"])
    return StoredCall(**known)
