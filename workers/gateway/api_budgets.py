"""`/api/v1/budgets`: what the tenant of the key may spend, and how that stands. A key sees its own tenant's only."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from observatory.adapters.postgres.budgets import BudgetExists, Budgets, NoSuchBudget
from observatory.adapters.postgres.spending import BudgetView, budget_views
from observatory.rules.budgets import BadBudget, Budget, check_amounts
from schemas.base import MAX_NAME_LENGTH
from schemas.http_budgets import BudgetList, BudgetState, ChangeBudget, CreateBudget
from workers.gateway.api_bodies import Asker, body_of, described
from workers.gateway.database import Database
from workers.gateway.refusals import Refusal, invalid, not_found

AllTenants = Annotated[bool, Query(description="true: those of every tenant that may be seen; a key sees its own.")]
BudgetId = Annotated[str, Path(min_length=1, max_length=MAX_NAME_LENGTH)]


class BudgetDesk:
    """Budgets for clients that wait: 503 while the database is away, 404 for what is not the tenant's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, tenant_id: str | None) -> list[BudgetState]:
        """All that are open, of a tenant, or of all (None)."""
        views = await self._database.run_or_refuse(lambda pool: budget_views(pool, tenant_id))
        return [_state(view) for view in views if view.closed_at is None]

    async def get(self, tenant_id: str, budget_id: str) -> BudgetState:
        """One, closed or not. Raises `Refusal` 404."""
        views = await self._database.run_or_refuse(lambda pool: budget_views(pool, tenant_id, budget_id))
        if not views:
            raise _unknown(budget_id)
        return _state(views[0])

    async def create(self, tenant_id: str, body: CreateBudget) -> BudgetState:
        """Raises `Refusal` 400 for one that cannot be, 409 for an id that is taken."""
        try:
            budget = _budget(tenant_id, body)
        except BadBudget as error:
            raise invalid(str(error), "body") from error
        try:
            await self._database.run_or_refuse(lambda pool: Budgets(pool).create(budget))
        except BudgetExists as error:
            raise Refusal(409, "budget_exists", str(error), final=True) from error
        return await self.get(tenant_id, budget.budget_id)

    async def change(self, tenant_id: str, budget_id: str, body: ChangeBudget) -> BudgetState:
        """Raises `Refusal` 400 for a limit below 0, 404 when there is no such open budget."""
        try:
            check_amounts(body.limit_usd)
        except BadBudget as error:
            raise invalid(str(error), "limit_usd") from error
        await self._own(tenant_id, budget_id)
        try:
            await self._database.run_or_refuse(lambda pool: Budgets(pool).set_limit(budget_id, body.limit_usd))
        except NoSuchBudget as error:
            raise _unknown(budget_id) from error
        return await self.get(tenant_id, budget_id)

    async def close(self, tenant_id: str, budget_id: str) -> None:
        """Raises `Refusal` 404."""
        await self._own(tenant_id, budget_id)
        try:
            await self._database.run_or_refuse(lambda pool: Budgets(pool).close(budget_id))
        except NoSuchBudget as error:
            raise _unknown(budget_id) from error

    async def _own(self, tenant_id: str, budget_id: str) -> None:
        await self.get(tenant_id, budget_id)


def budgets_router(desk: BudgetDesk) -> APIRouter:
    """The endpoints."""
    router = APIRouter(prefix="/api/v1/budgets", tags=["budgets"])
    create_body = Annotated[CreateBudget, Depends(body_of(CreateBudget))]
    change_body = Annotated[ChangeBudget, Depends(body_of(ChangeBudget))]

    @router.get("")
    async def page(access: Asker, all_tenants: AllTenants = False) -> BudgetList:
        """The tenant's open budgets with what is spent, held and left, the burn rate and the forecast."""
        everybody = all_tenants and access.api_key_id is None
        return BudgetList(budgets=await desk.list(None if everybody else access.tenant_id))

    @router.post("", status_code=201, openapi_extra=described(CreateBudget))
    async def create(access: Asker, body: create_body) -> BudgetState:
        """Creates a budget; a hard one starts from what its period has cost already."""
        return await desk.create(access.tenant_id, body)

    @router.get("/{budget_id}")
    async def get(access: Asker, budget_id: BudgetId) -> BudgetState:
        """One budget."""
        return await desk.get(access.tenant_id, budget_id)

    @router.patch("/{budget_id}", openapi_extra=described(ChangeBudget))
    async def change(access: Asker, budget_id: BudgetId, body: change_body) -> BudgetState:
        """Changes the limit."""
        return await desk.change(access.tenant_id, budget_id, body)

    @router.delete("/{budget_id}", status_code=204, response_class=Response)
    async def close(access: Asker, budget_id: BudgetId) -> None:
        """Closes a budget: it binds nobody any more."""
        await desk.close(access.tenant_id, budget_id)

    return router


def _budget(tenant_id: str, body: CreateBudget) -> Budget:
    given = {} if body.thresholds is None else {"thresholds": tuple(body.thresholds)}
    return Budget(
        budget_id=body.budget_id,
        tenant_id=tenant_id,
        scope=body.scope,
        scope_value=body.scope_value,
        limit_usd=body.limit_usd,
        hard=body.hard,
        period=body.period,
        time_zone=body.time_zone,
        **given,
    )


def _state(view: BudgetView) -> BudgetState:
    budget = view.budget
    return BudgetState(
        budget_id=budget.budget_id,
        tenant_id=budget.tenant_id,
        scope=budget.scope,
        scope_value=budget.scope_value,
        limit_usd=budget.limit_usd,
        hard=budget.hard,
        period=budget.period,
        time_zone=budget.time_zone,
        thresholds=list(budget.thresholds),
        period_start=view.period_start,
        resets_at=view.resets_at,
        spent_usd=view.spent_usd,
        reserved_usd=view.reserved_usd,
        left_usd=view.left_usd,
        burn_usd_per_hour=view.burn.usd_per_hour,
        forecast_usd=view.burn.forecast_usd,
        exhausted_at=view.burn.exhausted_at,
        closed_at=view.closed_at,
    )


def _unknown(budget_id: str) -> Refusal:
    return not_found(f"there is no open budget {budget_id!r}")
