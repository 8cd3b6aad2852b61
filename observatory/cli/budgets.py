"""`observatory budgets`: what a tenant, user, key, conversation, model or tag may cost, and how that stands."""

from collections.abc import Awaitable, Callable, Sequence
from decimal import Context, Decimal, InvalidOperation
from typing import Annotated

from cyclopts import App, Parameter

from observatory.adapters.postgres.budgets import BudgetExists, Budgets, NoSuchBudget
from observatory.adapters.postgres.spending import BudgetView, budget_views
from observatory.cli.options import Json
from observatory.cli.output import add_row, cell, print_json, stderr, stdout, table
from observatory.cli.outside import database, settings
from observatory.cli.problems import Problem, wrong_usage
from observatory.rules.budgets import BadBudget, Budget, Period, Scope, check_amounts

budgets = App(
    name="budgets",
    help="""Budgets: create, list, show, change and close them.

A hard budget is reserved before each call to a provider, for the most that it can cost: it is never overspent, and a
request that does not fit is refused (`budget_exceeded`). A soft one (`--soft`) refuses nothing and raises alerts.

Some uses:

`observatory budgets create acme-month --tenant acme --limit 250 --period month --time-zone Europe/Berlin`

`observatory budgets create alice --scope user --value alice --limit 2.50 --period day`

`observatory budgets list`

`observatory budgets set alice --limit 5`""",
)

_IN_PERIOD: dict[Period, str] = {"hour": "this hour", "day": "today", "month": "this month", "total": "so far"}

BudgetId = Annotated[str, Parameter(help="The budget's id.")]


@budgets.command
async def create(
    budget_id: BudgetId,
    /,
    *,
    limit: Annotated[str, Parameter(help="US dollars a period, exact.")],
    tenant: Annotated[str, Parameter(help="Whose requests it covers.")] = "default",
    scope: Annotated[Scope, Parameter(help="Which of the tenant's requests.")] = "tenant",
    value: Annotated[str, Parameter(help="The user, API key id, conversation or model; of a tag key=value.")] = "",
    period: Annotated[Period, Parameter(help="When it begins anew.")] = "month",
    time_zone: Annotated[str, Parameter(help="Whose hours, days and months.")] = "UTC",
    soft: Annotated[bool, Parameter(show_default=False, help="Refuse nothing, raise alerts only.")] = False,
    thresholds: Annotated[str, Parameter(help="Parts of the limit at which alerts are raised.")] = "0.5,0.8,1",
    json: Json = False,
) -> int:
    """Create a budget; a hard one binds every call from now on and starts from what its period has cost already."""
    amount, parts = _amount("--limit", limit), tuple(_amount("--thresholds", part) for part in thresholds.split(","))
    try:
        check_amounts(amount, parts)
        budget = Budget(
            budget_id=budget_id,
            tenant_id=tenant,
            scope=scope,
            scope_value=value,
            limit_usd=amount,
            hard=not soft,
            period=period,
            time_zone=time_zone,
            thresholds=parts,
        )
    except BadBudget as error:
        raise wrong_usage(str(error)) from error
    async with database(settings().database_url) as pool:
        try:
            await Budgets(pool).create(budget)
        except BudgetExists as error:
            raise Problem(str(error)) from error
        (view,) = await budget_views(pool, budget_id=budget_id)
    if json:
        print_json(_figures(view))
    else:
        spent = f"{cell(view.spent_usd)} of {cell(budget.limit_usd)} USD spent {_IN_PERIOD[budget.period]}"
        stderr().print(f"Budget {budget_id} is in force: {spent}.", markup=False)
    return 0


@budgets.command(name="list")
async def list_budgets(
    *,
    tenant: Annotated[str | None, Parameter(help="Only those of one tenant.")] = None,
    closed: Annotated[bool, Parameter(show_default=False, help="Closed ones too.")] = False,
    json: Json = False,
) -> int:
    """List the budgets with what is spent, held and left, the burn rate and the forecast to the end of the period."""
    async with database(settings().database_url) as pool:
        views = [view for view in await budget_views(pool, tenant) if closed or view.closed_at is None]
    if json:
        print_json([_figures(view) for view in views], indent=True)
    elif not views:
        stdout().print("There are no budgets; 'observatory budgets create --help' tells how to make one.")
    else:
        _print_table(views)
    return 0


@budgets.command
async def show(budget_id: BudgetId, /, *, json: Json = False) -> int:
    """Show one budget."""
    async with database(settings().database_url) as pool:
        views = await budget_views(pool, budget_id=budget_id)
    if not views:
        raise _unknown(budget_id)
    figures = _figures(views[0])
    if json:
        print_json(figures, indent=True)
        return 0
    rows = table(["", ""], left=2)
    for name, value in figures.items():
        add_row(rows, name, ", ".join(map(cell, value)) if isinstance(value, tuple) else value)
    stdout().print(rows)
    return 0


@budgets.command(name="set")
async def set_limit(
    budget_id: BudgetId, /, *, limit: Annotated[str, Parameter(help="US dollars a period, exact.")]
) -> int:
    """Change the limit; it holds for every call that begins from now on."""
    amount = _amount("--limit", limit)
    try:
        check_amounts(amount)
    except BadBudget as error:
        raise wrong_usage(f"--limit: {error}") from error
    await _change(budget_id, lambda store: store.set_limit(budget_id, amount))
    stderr().print(f"Budget {budget_id} is limited to {cell(amount)} USD.", markup=False)
    return 0


@budgets.command
async def close(budget_id: BudgetId, /) -> int:
    """Close a budget: it binds nobody any more. Its id is not free again."""
    await _change(budget_id, lambda store: store.close(budget_id))
    stderr().print(f"Budget {budget_id} is closed.", markup=False)
    return 0


async def _change(budget_id: str, change: Callable[[Budgets], Awaitable[None]]) -> None:
    async with database(settings().database_url) as pool:
        try:
            await change(Budgets(pool))
        except NoSuchBudget as error:
            raise _unknown(budget_id) from error


def _unknown(budget_id: str) -> Problem:
    return Problem(f"there is no open budget {budget_id!r}; 'observatory budgets list --closed' shows all")


def _amount(option: str, text: str) -> Decimal:
    try:
        return Decimal(text.strip())
    except InvalidOperation:
        raise wrong_usage(f"{option}: {text!r} is no number") from None


def _covers(budget: Budget) -> str:
    return " ".join(text for text in (budget.tenant_id, budget.scope.replace("_", " "), budget.scope_value) if text)


def _print_table(views: Sequence[BudgetView]) -> None:
    titles = ["budget", "covers", "period", "kind", "limit $", "spent $", "held $", "left $", "$ an hour", "forecast $"]
    rows = table(
        [*titles, "resets at"], left=4, expendable=("$ an hour", "resets at", "period", "forecast $", "covers", "kind")
    )
    for view in views:
        budget, style = view.budget, "red" if view.left_usd <= 0 else None
        add_row(
            rows, budget.budget_id, _covers(budget), f"{budget.period} {budget.time_zone}",
            "closed" if view.closed_at else "hard" if budget.hard else "soft", budget.limit_usd, view.spent_usd,
            view.reserved_usd, view.left_usd, _rough(view.burn.usd_per_hour), _rough(view.burn.forecast_usd),
            view.resets_at, style=style,
        )  # fmt: skip
    stdout().print(rows)


def _rough(amount: Decimal | None) -> Decimal | None:
    """An estimate with as many digits as are worth reading."""
    return None if amount is None else Context(prec=3).plus(amount)


def _figures(view: BudgetView) -> dict[str, object]:
    budget = view.budget
    return {
        "budget_id": budget.budget_id,
        "tenant_id": budget.tenant_id,
        "scope": budget.scope,
        "scope_value": budget.scope_value,
        "hard": budget.hard,
        "period": budget.period,
        "time_zone": budget.time_zone,
        "thresholds": budget.thresholds,
        "limit_usd": budget.limit_usd,
        "spent_usd": view.spent_usd,
        "reserved_usd": view.reserved_usd,
        "left_usd": view.left_usd,
        "period_start": view.period_start,
        "resets_at": view.resets_at,
        "burn_usd_per_hour": view.burn.usd_per_hour,
        "forecast_usd": view.burn.forecast_usd,
        "exhausted_at": view.burn.exhausted_at,
        "closed_at": view.closed_at,
    }
