"""The tables of `observatory top`: what stands in each, and what a row of it opens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import ClassVar

from observatory.cli.top_calls import CallsView
from observatory.cli.top_observed import GroupLine, GroupName, Observed
from observatory.cli.top_tables import Books, Plain, Row, View, fields_of
from observatory.cli.top_words import UNKNOWN, clip, count, milliseconds, rate, ratio, usd
from observatory.rules.live_windows import LiveFigures
from schemas.http_budgets import BudgetState

_SEPARATOR = "\x1f"
NO_FIGURES = LiveFigures(1, 0, 0, 0, 0, 0, Decimal(0), (), ())


_BY: dict[str, Callable[[GroupLine, LiveFigures], float | Decimal]] = {
    "cost": lambda line, live: line.cost_usd,
    "calls": lambda line, live: line.calls,
    "now": lambda line, live: live.calls,
    "p95": lambda line, live: line.latency_p95_ms or 0.0,
    "errors": lambda line, live: line.errors,
}


@dataclass
class ModelsView(Plain):
    """Models: the last seconds and the last hour side by side; of one tenant the last hour only."""

    columns: ClassVar[tuple[str, ...]] = ("model", "calls/s", "$/hour", "calls", "errors", "p95 ms", "ttft", "cost $")
    orders: ClassVar[tuple[str, ...]] = tuple(_BY)
    order: str = "cost"
    tenant: str | None = None
    _of_tenant: Sequence[GroupLine] = ()

    @property
    def title(self) -> str:
        of = f" of tenant {self.tenant}" if self.tenant else ""
        return f"models{of}: now, and the last hour"

    async def load(self, books: Books) -> None:
        if self.tenant is not None:
            self._of_tenant = await books.models_of(self.tenant)

    def rows(self, observed: Observed, room: int) -> list[Row]:
        live = {} if self.tenant else observed.live_models()
        lines = self._of_tenant if self.tenant else (observed.answers.models if observed.answers else ())
        known = {line.name for line in lines}
        fresh = [_fresh(name) for name in live if name not in known and name[1]]
        return [
            (_SEPARATOR.join(line.name), self._cells(line, live.get(line.name), room))
            for line in sorted(
                [*lines, *fresh], key=lambda line: _BY[self.order](line, live.get(line.name, NO_FIGURES)), reverse=True
            )
        ]

    def _cells(self, line: GroupLine, live: LiveFigures | None, room: int) -> tuple[str, ...]:
        provider, model = line.name
        return (
            clip(f"{model} {provider}", 22 + room),
            UNKNOWN if live is None else rate(live.calls_per_s),
            UNKNOWN if live is None else usd(live.usd_per_hour),
            count(line.calls),
            ratio(line.errors, line.calls),
            milliseconds(line.latency_p95_ms),
            milliseconds(line.ttft_p95_ms),
            usd(line.cost_usd),
        )

    def open(self, key: str, observed: Observed) -> View | None:
        provider, _, model = key.partition(_SEPARATOR)
        return CallsView(tenant=self.tenant, provider=provider, model=model)


def _fresh(name: GroupName) -> GroupLine:
    """A model that was called just now and is in no answer yet."""
    return GroupLine(
        name=name, calls=0, errors=0, unpriced_calls=0, cost_usd=Decimal(0), estimated_cost_usd=Decimal(0),
        latency_p50_ms=None, latency_p95_ms=None, ttft_p95_ms=None,
    )  # fmt: skip


@dataclass
class TenantsView(Plain):
    """Tenants in the last hour."""

    columns: ClassVar[tuple[str, ...]] = ("tenant", "calls", "err", "p50", "p95", "unpriced", "estimated $", "cost $")
    orders: ClassVar[tuple[str, ...]] = ("cost", "calls", "p95", "errors")
    order: str = "cost"
    title: str = "tenants: the last hour"

    def rows(self, observed: Observed, room: int) -> list[Row]:
        lines = observed.answers.tenants if observed.answers else ()
        return [
            (
                line.name[0],
                (
                    clip(line.name[0], 20 + room),
                    count(line.calls),
                    ratio(line.errors, line.calls),
                    milliseconds(line.latency_p50_ms),
                    milliseconds(line.latency_p95_ms),
                    count(line.unpriced_calls),
                    usd(line.estimated_cost_usd),
                    usd(line.cost_usd),
                ),
            )
            for line in sorted(lines, key=lambda line: _BY[self.order](line, NO_FIGURES), reverse=True)
        ]

    def open(self, key: str, observed: Observed) -> View | None:
        return ModelsView(tenant=key)


@dataclass
class BudgetsView(Plain):
    """Open budgets of the tenant, with burn, those of which most is used first."""

    columns: ClassVar[tuple[str, ...]] = (
        "budget", "kind", "used", "spent $", "held $", "limit $", "$/hour", "used up",
    )  # fmt: skip
    left: ClassVar[int] = 2
    title: str = "budgets: this period"

    def rows(self, observed: Observed, room: int) -> list[Row]:
        budgets = observed.answers.budgets if observed.answers else ()
        return [_budget_row(budget, room) for budget in sorted(budgets, key=_used, reverse=True)]

    def open(self, key: str, observed: Observed) -> View | None:
        budgets = observed.answers.budgets if observed.answers else ()
        return next((fields_of("budget", key, budget) for budget in budgets if budget.budget_id == key), None)


def _used(budget: BudgetState) -> Decimal:
    """The used share, what is held included; a limit of nothing is used up."""
    return (budget.spent_usd + budget.reserved_usd) / budget.limit_usd if budget.limit_usd else Decimal(1)


def _budget_row(budget: BudgetState, room: int) -> Row:
    used = _used(budget)
    cells = (
        clip(budget.budget_id, 10 + room),
        clip(f"{'hard' if budget.hard else 'soft'} {budget.scope}", 11),
        f"{100 * used:.1f}%{'!' if used >= 1 else ''}",
        usd(budget.spent_usd),
        usd(budget.reserved_usd),
        usd(budget.limit_usd),
        usd(budget.burn_usd_per_hour),
        _day(budget.exhausted_at),
    )
    return budget.budget_id, cells


def _day(moment: datetime | None) -> str:
    return UNKNOWN if moment is None else f"{moment.astimezone(UTC):%m-%d %H:%M}"


@dataclass
class AlertsView(Plain):
    """Alerts that stand."""

    columns: ClassVar[tuple[str, ...]] = ("since", "severity", "message")
    left: ClassVar[int] = 3
    title: str = "alerts that stand"

    def rows(self, observed: Observed, room: int) -> list[Row]:
        alerts = observed.answers.alerts if observed.answers else ()
        worst_first = sorted(alerts, key=lambda alert: alert.severity != "critical")
        return [
            (str(alert.alert_id), (_day(alert.raised_at), alert.severity, clip(alert.message, 57 + room)))
            for alert in worst_first
        ]

    def open(self, key: str, observed: Observed) -> View | None:
        alerts = observed.answers.alerts if observed.answers else ()
        return next((fields_of("alert", key, alert) for alert in alerts if str(alert.alert_id) == key), None)


@dataclass
class LagsView(Plain):
    """Consumer groups, dead letters, and what is under way."""

    columns: ClassVar[tuple[str, ...]] = ("what", "of", "records")
    left: ClassVar[int] = 2
    title: str = "pipeline: what is behind, waits, or is under way"

    def rows(self, observed: Observed, room: int) -> list[Row]:
        work = observed.work
        if work is None:
            return []
        lags = [("behind", f"{lag.group} on {lag.topic}", lag.records) for lag in work.lags or ()]
        letters = [("dead letters", lag.topic, lag.records) for lag in work.letters or () if lag.records]
        busy = [] if work.busy is None else [(_words(name), "", records) for name, records in vars(work.busy).items()]
        return [
            (f"{what} {of}", (what, clip(of, 42 + room), f"{records:,}"))
            for what, of, records in [*letters, *lags, *busy]
        ]


def _words(name: str) -> str:
    return name.replace("_", " ")


Start = Callable[[], View]
STARTS: dict[str, tuple[str, Start]] = {
    "m": ("models", ModelsView),
    "t": ("tenants", TenantsView),
    "c": ("calls", CallsView),
    "b": ("budgets", BudgetsView),
    "a": ("alerts", AlertsView),
    "l": ("lag", LagsView),
}
"""Which key shows what."""
