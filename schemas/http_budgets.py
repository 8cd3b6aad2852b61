"""Bodies of `/api/v1/budgets`. Amounts are decimal strings in US dollars."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Amount, Body, Name, Time, Usd
from schemas.http import HttpBody

Scope = Literal["tenant", "user", "api_key", "conversation", "model", "tag"]
Period = Literal["hour", "day", "month", "total"]


class CreateBudget(HttpBody):
    """A new budget. `scope_value` names the user, key, conversation or model; of a tag it is key=value."""

    budget_id: Name
    scope: Scope = "tenant"
    scope_value: Annotated[str, Field(max_length=1300)] = ""
    limit_usd: Amount
    hard: bool = True
    period: Period = "month"
    time_zone: Name = "UTC"
    thresholds: Annotated[list[Amount], Field(max_length=20)] | None = None


class ChangeBudget(HttpBody):
    """Another limit for every call that begins from now on."""

    limit_usd: Amount


class BudgetState(Body):
    """A budget in its current period.

    `reserved_usd` is held for calls whose cost is not known yet; burn rate and forecast are estimates; `resets_at` is
    null for a total budget, `exhausted_at` where the limit is not reached in the period.
    """

    budget_id: str
    tenant_id: str
    scope: Scope
    scope_value: str
    limit_usd: Usd
    hard: bool
    period: Period
    time_zone: str
    thresholds: list[Usd]
    period_start: Time
    resets_at: Time | None
    spent_usd: Usd
    reserved_usd: Usd
    left_usd: Usd
    burn_usd_per_hour: Usd
    forecast_usd: Usd | None
    exhausted_at: Time | None
    closed_at: Time | None


class BudgetList(Body):
    """All budgets of the tenant."""

    budgets: list[BudgetState]
