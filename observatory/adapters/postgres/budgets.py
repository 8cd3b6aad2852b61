"""Budgets in the journal: what they are and how they stand; a hard one begins with what its period has cost already.

Hard budgets are numbered by the version at which they were last changed. Who makes attempts decides by the budgets up
to some version and says so in the transaction of the attempt, which the database refuses when there are newer ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from asyncpg import Record

from observatory.adapters.postgres.pool import Connection, Pool
from observatory.adapters.postgres.queries import load_queries
from observatory.rules.budgets import Budget, period_bounds
from observatory.rules.money import total

_SQL = load_queries(__package__, "budgets.sql")

_RECENT = timedelta(minutes=10)
"""Longer than any transaction of a claim: what began before and is not there now will not come any more."""

_QUERY_S = 600


class BudgetExists(Exception):
    """There is or was a budget of that id; the message names it."""


class NoSuchBudget(Exception):
    """There is no open budget of that id; the message names it."""


@dataclass(frozen=True, slots=True)
class BudgetStanding:
    """A budget and its current period; `resets_at` None: never, `period_start` None: nothing happened in it yet.

    Of a soft budget nothing is kept here: both amounts (US dollars) are 0.
    """

    budget: Budget
    closed_at: datetime | None
    period_start: datetime | None
    resets_at: datetime | None
    spent_usd: Decimal
    reserved_usd: Decimal


@dataclass(frozen=True, slots=True)
class Newer:
    """Hard budgets that were opened or changed, the ids of those that were closed; version and time of the database."""

    version: int
    now: datetime
    open: Sequence[Budget]
    closed: Sequence[str]


class Budgets:
    """The statements of `budgets.sql`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def newer(self, version: int) -> Newer:
        """What changed after a version, which is -1 for all there is."""
        rows = await self._pool.fetch(_SQL["newer"], version)
        budgets = [row for row in rows if row["budget_id"] is not None]
        return Newer(
            rows[0]["now_version"],
            rows[0]["now"],
            [budget_of(row) for row in budgets if row["closed_at"] is None],
            [row["budget_id"] for row in budgets if row["closed_at"] is not None],
        )

    async def room(self, budget_id: str, period_start: datetime) -> tuple[Decimal, Decimal]:
        """Limit and what is left of it in a period, both in US dollars; below 0 where more was spent than allowed."""
        row = await self._pool.fetchrow(_SQL["room"], budget_id, period_start)
        assert row is not None, "budgets are closed, never deleted"
        return row["limit_usd"], row["left_usd"]

    async def list(self, tenant_id: str | None = None) -> list[BudgetStanding]:
        """All budgets, closed ones too, of one tenant or of all."""
        return [
            BudgetStanding(
                budget_of(row), row["closed_at"], row["period_start"], row["resets_at"], row["spent_usd"],
                row["reserved_usd"],
            )
            for row in await self._pool.fetch(_SQL["list"], tenant_id)
        ]  # fmt: skip

    async def create(self, budget: Budget) -> None:
        """Opens a budget; a hard one binds every attempt that begins from now on. Raises `BudgetExists`.

        A hard budget's current period starts from what its scope has cost in it; calls under way are reserved at what
        is known of their cost. No attempt can begin while that is counted, which takes as long as reading the last
        ten minutes; what is older is counted before.
        """
        while True:
            try:
                async with self._pool.acquire() as connection, connection.transaction():
                    await _create(connection, budget)
                return
            except _PeriodEnded:
                continue

    async def set_limit(self, budget_id: str, limit_usd: Decimal) -> None:
        """Changes the limit; a hard one holds for what is reserved from now on. Raises `NoSuchBudget`."""
        await self._change(budget_id, "set_limit", limit_usd)

    async def close(self, budget_id: str) -> None:
        """Binds nobody any more; what it holds is still charged. Its id is not free again. Raises `NoSuchBudget`."""
        await self._change(budget_id, "close")

    async def _change(self, budget_id: str, statement: str, *arguments: object) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_SQL["lock_version"])
            hard = await connection.fetchval(_SQL[statement], budget_id, *arguments)
            if hard is None:
                raise NoSuchBudget(f"there is no open budget {budget_id}")
            if hard:
                await _raise_version(connection, budget_id)


class _PeriodEnded(Exception):
    """The period ended while its cost was counted."""


async def _create(connection: Connection, budget: Budget) -> None:
    written = await connection.fetchval(
        _SQL["insert"], budget.budget_id, budget.tenant_id, budget.scope, budget.scope_value, budget.limit_usd,
        budget.hard, budget.period, budget.time_zone, budget.thresholds,
    )  # fmt: skip
    if written is None:
        raise BudgetExists(f"there is or was a budget {budget.budget_id}; choose another id")
    if budget.hard:
        await _open(connection, budget)


async def _open(connection: Connection, budget: Budget) -> None:
    """Opens the current period of a hard budget with what it has cost.

    1. What began long ago and cannot change any more is counted.
    2. From here on no attempt begins until the end of the transaction.
    3. Attempts that may still change are held; the others cannot change, so they are counted.
    """
    now = await connection.fetchval(_SQL["clock"])
    start, end = period_bounds(budget.period, budget.time_zone, now)
    recent = max(start, now - _RECENT)
    scope = budget.tenant_id, budget.scope, budget.scope_value
    before = await connection.fetchrow(_SQL["spent_before"], *scope, start, recent, timeout=_QUERY_S)
    assert before is not None
    long_ago = await connection.fetchval(_SQL["spent_long_ago"], *scope, start, recent, timeout=_QUERY_S)
    await connection.execute(_SQL["lock_version"], timeout=_QUERY_S)
    now = await _raise_version(connection, budget.budget_id)
    if period_bounds(budget.period, budget.time_zone, now) != (start, end):
        raise _PeriodEnded
    held = await connection.fetch(
        _SQL["hold_open"], *scope, recent, before["open"], budget.budget_id, start, timeout=_QUERY_S
    )
    since = await connection.fetchval(_SQL["spent_since"], *scope, recent, before["open"], timeout=_QUERY_S)
    spent = total((before["spent_usd"], long_ago, since))
    await connection.execute(_SQL["open_period"], budget.budget_id, start, end, spent, *_sums(held))


async def _raise_version(connection: Connection, budget_id: str) -> datetime:
    """The budget is the last one that changed; returns the database's time."""
    row = await connection.fetchrow(_SQL["raise_version"])
    assert row is not None
    await connection.execute(_SQL["set_version"], budget_id, row["version"])
    now: datetime = row["now"]
    return now


def _sums(held: Sequence[Record]) -> tuple[Decimal, Decimal]:
    """What calls with a reservation are charged, and what is held for the others; US dollars."""
    charged = total(row["charged_usd"] for row in held if row["charged_usd"] is not None)
    return charged, total(row["amount_usd"] for row in held if row["charged_usd"] is None)


def budget_of(row: Record) -> Budget:
    """The budget in a row of `journal.budgets`."""
    return Budget(
        budget_id=row["budget_id"],
        tenant_id=row["tenant_id"],
        scope=row["scope"],
        scope_value=row["scope_value"],
        limit_usd=row["limit_usd"],
        hard=row["hard"],
        period=row["period"],
        time_zone=row["time_zone"],
        thresholds=tuple(row["thresholds"]),
    )
