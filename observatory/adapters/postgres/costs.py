"""What calls cost, read back from the ledger: from the one-minute rollups where they know enough, else from the facts.

Sums of money are exact. Each answer says up to when it is complete.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from asyncpg import Record

from observatory.adapters.postgres.pool import Pool
from observatory.adapters.postgres.queries import load_queries

_SQL = load_queries("observatory.adapters.postgres", "costs.sql")

Grouping = Literal["model", "provider", "tenant", "operation", "time", "user", "conversation"]

_ROLLUP_KEYS = {
    "model": "model",
    "provider": "provider",
    "tenant": "tenant_id",
    "operation": "operation",
}
_CALL_KEYS = {
    "model": "coalesce(response_model, request_model)",
    "provider": "provider",
    "tenant": "tenant_id",
    "operation": "operation",
    "user": "user_id",
    "conversation": "conversation_id",
}
_QUERY_S = 120


@dataclass(frozen=True, kw_only=True)
class CostQuery:
    """Which calls, by what. With rollups `since` is rounded down to its minute; None: no limit.

    `exact` asks the facts even where rollups would do.
    """

    by: Grouping = "model"
    since: datetime | None = None
    until: datetime | None = None
    tenant: str | None = None
    provider: str | None = None
    model: str | None = None
    user: str | None = None
    conversation: str | None = None
    groups: int = 50
    exact: bool = False

    @property
    def needs_facts(self) -> bool:
        """Rollups know nothing of users and conversations."""
        return (
            self.exact or self.by in ("user", "conversation") or self.user is not None or self.conversation is not None
        )


@dataclass(frozen=True, kw_only=True)
class CostRow:
    """One group. Money in US dollars, durations in ms; `key` is None for calls that have none, and in the total.

    `calls` are those that were sent; `estimated_cost_usd` is a part of `cost_usd`, which lacks the unpriced calls.
    `cached_tokens` are a part of `input_tokens`.
    """

    key: str | datetime | None
    calls: int
    errors: int
    unpriced_calls: int
    estimated_calls: int
    not_sent_calls: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_usd: Decimal
    estimated_cost_usd: Decimal
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    ttft_p50_ms: float | None
    ttft_p95_ms: float | None


@dataclass(frozen=True, kw_only=True)
class Adjustments:
    """What providers billed besides our calls, in US dollars, as far as it was adjusted."""

    count: int
    cost_usd: Decimal


async def read_adjustments(pool: Pool, query: CostQuery) -> Adjustments:
    """The adjustments that count in the period, of the tenant, provider and model; of a user or conversation none."""
    if query.user is not None or query.conversation is not None:
        return Adjustments(count=0, cost_usd=Decimal(0))
    arguments = (query.since, query.until, query.tenant, query.provider, query.model)
    row = await pool.fetchrow(_SQL["adjustments"], *arguments, timeout=_QUERY_S)
    assert row is not None
    return Adjustments(**dict(row.items()))


async def read_costs(pool: Pool, query: CostQuery) -> tuple[list[CostRow], CostRow]:
    """The dearest groups (by time: in order of time) and the total over all groups, exact, whatever is left out."""
    statement = _SQL["from_calls" if query.needs_facts else "from_rollups"].format(**_parts(query))
    arguments = [query.since, query.until, query.tenant, query.provider, query.model]
    if query.needs_facts:
        arguments += [query.user, query.conversation]
    else:
        statement = statement.replace("$8", "$6")
    rows = await pool.fetch(statement, *arguments, query.groups, timeout=_QUERY_S)
    total, *groups = [_row(row) for row in rows]
    return groups, total


async def watermark(pool: Pool, topic: str) -> datetime | None:
    """Up to when everything appended to `llm.calls` is in the ledger; None before its first batch."""
    moment: datetime | None = await pool.fetchval(_SQL["watermark"], topic)
    return moment


def _parts(query: CostQuery) -> Mapping[str, str]:
    """The grouping expression and the order, each from a fixed list."""
    if query.by != "time":
        keys = _CALL_KEYS if query.needs_facts else _ROLLUP_KEYS
        return {"key": keys[query.by], "order": "cost_usd DESC, calls DESC, key"}
    column = "started_at" if query.needs_facts else "bucket"
    return {"key": f"date_trunc('{_step(query)}', {column})", "order": "key"}


def _step(query: CostQuery) -> str:
    """Minutes, hours or days: so that a period has some dozens of rows."""
    if query.since is None:
        return "day"
    end = query.until or datetime.now(query.since.tzinfo)
    length = end - query.since
    return "minute" if length <= timedelta(hours=2) else "hour" if length <= timedelta(days=3) else "day"


def _row(row: Record) -> CostRow:
    return CostRow(**{name: value for name, value in row.items() if name != "grand"})
