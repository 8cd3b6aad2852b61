"""What attempts cost that gave no answer to anybody, by cause: read from the facts, exact.

Causes are disjoint. A call whose request went on is wasted, whatever its provider said; of the last call of a request
only one that did not end well is, or whose answer only the provider's export knows. `worker_died` are calls whose
worker did not live to book their end, reconciled or not; `answer_discarded` answers that came when another worker had
the request already.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from asyncpg import Record

from observatory.adapters.postgres.pool import Pool
from observatory.adapters.postgres.queries import load_queries

_SQL = load_queries("observatory.adapters.postgres", "waste.sql")

WasteGrouping = Literal["cause", "model", "provider", "tenant"]

_KEYS: dict[WasteGrouping, str] = {"cause": "cause", "model": "model", "provider": "provider", "tenant": "tenant_id"}
_QUERY_S = 120
_CLOSE, _FAR = timedelta(minutes=15), timedelta(days=1)
"""How long after a first attempt that went well the next one begins, usually and at most."""


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


_COLUMNS = tuple(column.name for column in fields(WasteRow))


async def read_waste(pool: Pool, query: WasteQuery) -> tuple[list[WasteRow], WasteRow]:
    """The groups, dearest first, and the total.

    An index knows every attempt that is wasted but those that went well and were followed by another one; these are
    looked for when the index does not know the first attempt of a request.
    """
    total, *groups = await _wasted(pool, query, ())
    if total["requests"] is not None and (answers := await _went_well(pool, query, total)):
        total, *groups = await _wasted(pool, query, answers)
    return [_row(group) for group in groups], _row(total)


async def _wasted(pool: Pool, query: WasteQuery, answers: Sequence[Record]) -> list[Record]:
    statement = _SQL["wasted"].format(key=_KEYS[query.by])
    calls = [answer["call_id"] for answer in answers], [answer["started_at"] for answer in answers]
    found: list[Record] = await pool.fetch(
        statement, query.since, query.until, query.tenant, query.model, *calls, timeout=_QUERY_S
    )
    return found


async def _went_well(pool: Pool, query: WasteQuery, total: Record) -> list[Record]:
    """First attempts that the index does not know: close to the ones that it does, where nearly all are, else far."""
    following = list(zip(total["tenants"], total["requests"], total["times"], strict=True))
    found: list[Record] = []
    for most, least in ((_CLOSE, -_CLOSE), (_FAR, _CLOSE)):
        known = {answer["request_id"] for answer in found}
        columns = [list(column) for column in zip(*[one for one in following if one[1] not in known], strict=True)]
        if columns:
            arguments = (query.since, query.until, *columns, most, least)
            found += await pool.fetch(_SQL["went_well"], *arguments, timeout=_QUERY_S)
    return found


def _row(record: Record) -> WasteRow:
    return WasteRow(**{name: record[name] for name in _COLUMNS})
