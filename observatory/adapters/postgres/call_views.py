"""Single calls as the ledger has them: some of the last minutes, one with all that is known of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from observatory.adapters.postgres.pool import Pool
from observatory.adapters.postgres.queries import load_queries

_SQL = load_queries("observatory.adapters.postgres", "call_views.sql")

ORDERS: Mapping[str, str] = {
    "newest": "started_at DESC, call_id",
    "slowest": "total_ms DESC NULLS LAST, call_id",
    "dearest": "cost_usd DESC NULLS LAST, call_id",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallQuery:
    """Which calls; None: any. `order` is one of `ORDERS`."""

    since: datetime
    tenant: str | None = None
    provider: str | None = None
    model: str | None = None
    order: str = "newest"
    limit: int = 50


@dataclass(frozen=True, slots=True)
class CallLine:
    """One call; `total_ms` None: not known. `cost_usd` None: no price is known."""

    call_id: UUID
    started_at: datetime
    tenant_id: str
    user_id: str | None
    provider: str
    model: str
    status: str
    error_type: str | None
    attempt: int
    total_ms: float | None
    output_tokens: int | None
    cost_usd: Decimal | None
    cost_state: str


Fields = Mapping[str, object]


async def some_calls(pool: Pool, query: CallQuery) -> list[CallLine]:
    """The first of them."""
    sql = _SQL["some"].format(order=ORDERS[query.order])
    rows = await pool.fetch(sql, query.since, query.tenant, query.provider, query.model, query.limit)
    return [CallLine(*row) for row in rows]


async def one_call(pool: Pool, call_id: UUID, started_at: datetime) -> tuple[Fields, Sequence[Fields]] | None:
    """All that is known of a call, by the ledger's names, and of all attempts of its request; None: there is none."""
    row = await pool.fetchrow(_SQL["one"], call_id, started_at)
    if row is None:
        return None
    attempts = await pool.fetch(_SQL["attempts"], row["tenant_id"], row["request_id"], started_at)
    return dict(row), [dict(each) for each in attempts]
