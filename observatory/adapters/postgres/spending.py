"""How budgets stand now and where they are going: spent, held, left, burn rate, forecast.

What a hard budget has spent is the journal's, by which requests are admitted. A soft one is read from the facts, and so
is the recent cost of both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from observatory.adapters.postgres.budgets import Budgets, BudgetStanding
from observatory.adapters.postgres.pool import Pool
from observatory.adapters.postgres.queries import load_queries
from observatory.rules.budgets import Budget, period_bounds
from observatory.rules.forecast import Burn, burn, window_of
from observatory.rules.money import MONEY

_SQL = load_queries(__package__, "budgets.sql")

_QUERY_S = 600


@dataclass(frozen=True, slots=True)
class BudgetView:
    """A budget in its current period, in US dollars; `left_usd` is below 0 where more was spent than allowed.

    `reserved_usd` is held for attempts whose cost is not known yet. `resets_at` is None for a total budget.
    """

    budget: Budget
    closed_at: datetime | None
    period_start: datetime
    resets_at: datetime | None
    spent_usd: Decimal
    reserved_usd: Decimal
    left_usd: Decimal
    burn: Burn


async def budget_views(pool: Pool, tenant_id: str | None = None, budget_id: str | None = None) -> list[BudgetView]:
    """All budgets, closed ones too, of one tenant or of all; or only the one of that id, if it is there."""
    standings = await Budgets(pool).list(tenant_id)
    if budget_id is not None:
        standings = [standing for standing in standings if standing.budget.budget_id == budget_id]
    if not standings:
        return []
    now = datetime.now(UTC)
    return await _views(pool, standings, now)


async def _views(pool: Pool, standings: Sequence[BudgetStanding], now: datetime) -> list[BudgetView]:
    bounds = [period_bounds(s.budget.period, s.budget.time_zone, now) for s in standings]
    recents = [window_of(s.budget.period, start, now) for s, (start, _) in zip(standings, bounds, strict=True)]
    froms = [
        recent if s.budget.hard else start for s, (start, _), recent in zip(standings, bounds, recents, strict=True)
    ]
    names = [s.budget.budget_id for s in standings]
    rows = await pool.fetch(_SQL["spending"], names, froms, recents, timeout=_QUERY_S)
    costs = {row["budget_id"]: (row["spent_usd"], row["recent_usd"]) for row in rows}
    return [_view(s, *bound, now, *costs[s.budget.budget_id]) for s, bound in zip(standings, bounds, strict=True)]


def _view(
    standing: BudgetStanding,
    start: datetime,
    resets_at: datetime | None,
    now: datetime,
    by_facts_usd: Decimal,
    recent_usd: Decimal,
) -> BudgetView:
    budget = standing.budget
    # The period that was read may just have ended: then nothing was taken in the new one yet.
    current = budget.hard and standing.period_start == start
    spent, reserved = (standing.spent_usd, standing.reserved_usd) if current else (Decimal(0), Decimal(0))
    spent = spent if budget.hard else by_facts_usd
    return BudgetView(
        budget=budget,
        closed_at=standing.closed_at,
        period_start=start,
        resets_at=resets_at,
        spent_usd=spent,
        reserved_usd=reserved,
        left_usd=MONEY.subtract(budget.limit_usd, MONEY.add(spent, reserved)),
        burn=burn(
            period=budget.period,
            start=start,
            resets_at=resets_at,
            now=now,
            limit_usd=budget.limit_usd,
            spent_usd=spent,
            recent_usd=recent_usd,
        ),
    )
