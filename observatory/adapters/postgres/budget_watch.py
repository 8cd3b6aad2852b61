"""What budgets have spent, kept up to date for those who watch them; nothing here is on the path of a request.

Hard budgets are charged in the journal. Soft ones are counted from the facts: a period once in full, from then on only
the minutes in which facts were recorded since the last look. A minute is always counted anew and never added to, so it
does not matter how often that happens, or who does it after a crash.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby

from asyncpg import Record

from observatory.adapters.postgres.budgets import budget_of
from observatory.adapters.postgres.pool import Connection
from observatory.adapters.postgres.queries import load_queries
from observatory.rules.alerts import Spending
from observatory.rules.budgets import Budget, period_bounds

_SQL = load_queries("observatory.adapters.postgres", "budget_watch.sql")

GRACE = timedelta(seconds=10)
"""How old a transaction that does nothing visible may be and still write facts."""

COUNT_S = 5.0
"""New periods are counted until so much time has passed; those that are left are counted by the next look."""

_INSTANT = timedelta(microseconds=1)
_MINUTE = timedelta(minutes=1)
_QUERY_S = 600
"""A new budget's period is counted from all its facts."""

_PeriodName = tuple[str, datetime]


@dataclass(frozen=True, slots=True)
class _Period:
    """A budget in one period, which ends at `end` (None: never)."""

    budget: Budget
    start: datetime
    end: datetime | None
    over: bool

    @property
    def name(self) -> _PeriodName:
        return self.budget.budget_id, self.start


async def look(connection: Connection) -> list[Spending]:
    """What each open budget has spent in the period that it is and in the one before, which late calls still change.

    A period that is not counted yet, or has no row in the journal, is among them without an amount.
    Called in a transaction by one watcher at a time.
    """
    periods = [period for row in await connection.fetch(_SQL["budgets"]) for period in _periods(row)]
    soft = [period for period in periods if not period.budget.hard]
    await connection.execute(_SQL["forget"], *_columns(soft))
    counted = await _counted(connection, soft) if soft else {}
    charged = await _charged(connection, [period for period in periods if period.budget.hard])
    known = counted | charged
    return [_spending(period, *known.get(period.name, (None, None, None))) for period in periods]


def _periods(row: Record) -> list[_Period]:
    """The period that it is, and the one before unless the budget was created later."""
    budget, now = budget_of(row), row["now"]
    start, end = period_bounds(budget.period, budget.time_zone, now)
    periods = [_Period(budget, start, end, over=False)]
    if end is not None and row["created_at"] < start:
        before, _ = period_bounds(budget.period, budget.time_zone, start - _INSTANT)
        periods.append(_Period(budget, before, start, over=True))
    return periods


async def _counted(connection: Connection, periods: Sequence[_Period]) -> dict[_PeriodName, tuple[Decimal, None, int]]:
    """Soft budgets.

    1. Note from when on the next look must see what is recorded: before anything is read.
    2. Count periods that were never counted.
    3. Of the others count those minutes again in which facts were recorded since the last look.
    """
    quiet_since = await connection.fetchval(_SQL["quiet_since"], GRACE)
    there = {(row["budget_id"], row["period_start"]) for row in await connection.fetch(_SQL["counted"])}
    started = time.monotonic()
    for period in periods:
        if period.name not in there and time.monotonic() - started < COUNT_S:
            await connection.execute(_SQL["count_period"], *period.name, period.end, timeout=_QUERY_S)
    known = [period for period in periods if period.name in there]
    if known:
        await _count_again(connection, known)
    await connection.execute(_SQL["move_on"], quiet_since)
    rows = await connection.fetch(_SQL["counted"])
    return {(row["budget_id"], row["period_start"]): (row["spent_usd"], None, row["unpriced_calls"]) for row in rows}


async def _count_again(connection: Connection, periods: Sequence[_Period]) -> None:
    seen_until = await connection.fetchval(_SQL["seen_until"])
    tenants = list({period.budget.tenant_id for period in periods})
    first = min(period.start for period in periods)
    changed = await connection.fetch(_SQL["changed"], seen_until, tenants, first, timeout=_QUERY_S)
    ids, starts = _columns(periods)
    ends = [period.end for period in periods]
    # Day by day, as facts are stored: a minute is looked for in one chunk and not in all.
    for _, rows in groupby(changed, key=lambda row: row["minute"].date()):
        day = list(rows)
        minutes = [row["minute"] for row in day]
        await connection.execute(
            _SQL["count_again"], [row["tenant_id"] for row in day], minutes, ids, starts, ends,
            minutes[0], minutes[-1] + _MINUTE, timeout=_QUERY_S,
        )  # fmt: skip


async def _charged(
    connection: Connection, periods: Sequence[_Period]
) -> dict[_PeriodName, tuple[Decimal, Decimal, None]]:
    rows = await connection.fetch(_SQL["charged"], *_columns(periods)) if periods else []
    return {(row["budget_id"], row["period_start"]): (row["spent_usd"], row["reserved_usd"], None) for row in rows}


def _columns(periods: Sequence[_Period]) -> tuple[list[str], list[datetime]]:
    return [period.budget.budget_id for period in periods], [period.start for period in periods]


def _spending(
    period: _Period, spent_usd: Decimal | None, reserved_usd: Decimal | None, unpriced: int | None
) -> Spending:
    return Spending(
        budget=period.budget,
        period_start=period.start,
        resets_at=period.end,
        spent_usd=spent_usd,
        reserved_usd=reserved_usd,
        unpriced_calls=unpriced,
        over=period.over,
    )
