"""What attempts cost that gave no answer to anybody, by cause: read from the facts, exact.

Causes are disjoint. A call whose request went on is wasted, whatever its provider said; of the last call of a request
only one that did not end well is, or whose answer only the provider's export knows. `worker_died` are calls whose
worker did not live to book their end, reconciled or not; `answer_discarded` answers that came when another worker had
the request already.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from observatory.adapters.postgres.pool import Pool
from observatory.adapters.postgres.queries import load_queries

_SQL = load_queries("observatory.adapters.postgres", "waste.sql")

WasteGrouping = Literal["cause", "model", "provider", "tenant"]

_KEYS: dict[WasteGrouping, str] = {"cause": "cause", "model": "model", "provider": "provider", "tenant": "tenant_id"}
_QUERY_S = 120


@dataclass(frozen=True, kw_only=True)
class WasteQuery:
    """Which calls, by what; None: no limit."""

    by: WasteGrouping = "cause"
    since: datetime | None = None
    until: datetime | None = None
    tenant: str | None = None
    model: str | None = None


@dataclass(frozen=True, kw_only=True)
class WasteRow:
    """One group, in US dollars; `key` is None in the total.

    What followed splits the cost: another attempt at the same provider, at another one, or none. What is estimated is
    a part of `cost_usd`, which lacks the unpriced calls.
    """

    key: str | None
    calls: int
    cost_usd: Decimal
    estimated_cost_usd: Decimal
    unpriced_calls: int
    retried_cost_usd: Decimal
    fallback_cost_usd: Decimal
    given_up_cost_usd: Decimal


async def read_waste(pool: Pool, query: WasteQuery) -> tuple[list[WasteRow], WasteRow]:
    """The groups, dearest first, and the total."""
    statement = _SQL["wasted"].format(key=_KEYS[query.by])
    rows = await pool.fetch(statement, query.since, query.until, query.tenant, query.model, timeout=_QUERY_S)
    total, *groups = [WasteRow(**{name: value for name, value in row.items() if name != "grand"}) for row in rows]
    return groups, total
