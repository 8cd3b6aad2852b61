"""Which alerts stand: what budgets have spent against their thresholds, and models that have no price. Pure.

An alert has an id made of what it is about, so finding it again is the same alert. One that stands no more is resolved.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal, FloatOperation, Inexact, InvalidOperation
from uuid import UUID, uuid5

from observatory.rules.budgets import Budget
from schemas.alerts import Severity
from schemas.base import decimal_text, rfc3339

ALERT_NAMESPACE = UUID("5d0c1f7e-9a4b-5c1d-8e57-2f6b9c3a7d10")

BUDGET_THRESHOLD = "budget_threshold"
UNPRICED_MODEL = "unpriced_model"
KINDS = (BUDGET_THRESHOLD, UNPRICED_MODEL)

_EXACT = Context(prec=300_000, traps=[Inexact, InvalidOperation, FloatOperation])
"""Takes the product of any two numbers that the database takes: no budget can keep others from being watched."""

_EACH: Mapping[str, str] = {"hour": "this hour", "day": "today", "month": "this month", "total": "so far"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something that needs attention. Money in `details` is decimal text."""

    kind: str
    severity: Severity
    tenant_id: str
    subject: str
    occurrence: str
    message: str
    details: Mapping[str, object]

    @property
    def alert_id(self) -> UUID:
        """The same for the same thing, whoever finds it and how often."""
        return uuid5(ALERT_NAMESPACE, "\x1f".join((self.kind, self.tenant_id, self.subject, self.occurrence)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What a budget has spent in one of its periods, in US dollars; the calls without a price are not in it.

    `spent_usd` is None while that is not known. `reserved_usd` is held besides, of a hard budget. `over`: the period
    has ended.
    """

    budget: Budget
    period_start: datetime
    resets_at: datetime | None
    spent_usd: Decimal | None
    reserved_usd: Decimal | None
    unpriced_calls: int | None
    over: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpriced:
    """Calls of a tenant to a model that has no price; `earlier` alerts of it were resolved."""

    tenant_id: str
    provider: str
    model: str
    calls: int
    earlier: int


def budget_alerts(spendings: Iterable[Spending]) -> Iterator[Alert]:
    """One alert for each threshold that is reached: once a period, and again only for another limit.

    A hard budget reaches it with what is held too. Nothing is raised for a period in which nothing was spent or held.
    """
    for spending in spendings:
        taken = _EXACT.add(spending.spent_usd or 0, spending.reserved_usd or 0)
        for threshold in _thresholds(spending):
            if 0 < taken >= _EXACT.multiply(threshold, spending.budget.limit_usd):
                yield _budget_alert(spending, threshold)


def standing_budget_alerts(spendings: Iterable[Spending]) -> Iterator[Alert]:
    """What stands once it was raised, as it is now: until the period ends, the limit changes or the budget is closed.

    What is held or estimated may be less again, and reach a threshold a second time: that is the same alert.
    """
    for spending in spendings:
        if not spending.over:
            yield from (_budget_alert(spending, threshold) for threshold in _thresholds(spending))


def _thresholds(spending: Spending) -> list[Decimal]:
    return sorted(set(spending.budget.thresholds))


def _budget_alert(spending: Spending, threshold: Decimal) -> Alert:
    budget = spending.budget
    limit, spent = _plain(budget.limit_usd), _plain(spending.spent_usd or Decimal(0))
    start = rfc3339(spending.period_start)
    resets_at = None if spending.resets_at is None else rfc3339(spending.resets_at)
    when = f"in the period from {start}" if spending.over else _EACH[budget.period]
    until = "" if resets_at is None or spending.over else f"; it begins anew at {resets_at}"
    details: dict[str, object] = {
        "budget_id": budget.budget_id,
        "scope": budget.scope,
        "scope_value": budget.scope_value,
        "hard": budget.hard,
        "threshold": _plain(threshold),
        "limit_usd": limit,
        "spent_usd": spent,
        "period": budget.period,
        "time_zone": budget.time_zone,
        "period_start": start,
        "resets_at": resets_at,
    }
    if spending.reserved_usd is not None:
        details["reserved_usd"] = _plain(spending.reserved_usd)
    if spending.unpriced_calls is not None:
        details["unpriced_calls"] = spending.unpriced_calls
    held = f" and {_plain(spending.reserved_usd)} held" if spending.reserved_usd else ""
    percent = _plain(_EXACT.multiply(threshold, Decimal(100)))
    return Alert(
        kind=BUDGET_THRESHOLD,
        severity="critical" if threshold >= 1 else "warning",
        tenant_id=budget.tenant_id,
        subject=budget.budget_id,
        occurrence=f"{start} {limit} {_plain(threshold)}",
        message=f"budget {budget.budget_id} has reached {percent} %: {spent} of {limit} USD spent{held} {when}{until}",
        details=details,
    )


def unpriced_alerts(models: Iterable[Unpriced]) -> Iterator[Alert]:
    """One alert for each tenant, provider and model without a price; again once it was resolved and comes back."""
    for found in models:
        calls = f"{found.calls} call" if found.calls == 1 else f"{found.calls} calls"
        yield Alert(
            kind=UNPRICED_MODEL,
            severity="warning",
            tenant_id=found.tenant_id,
            subject=f"{found.provider} {found.model}",
            occurrence=str(found.earlier + 1),
            message=f"no price is known for {found.model} of {found.provider}: {calls} without a cost; "
            "'observatory prices set' gives it one",
            details={"provider": found.provider, "model": found.model, "unpriced_calls": found.calls},
        )


def _plain(amount: Decimal) -> str:
    """All its digits, without those zeros at the end that say nothing: the same number is the same text."""
    return decimal_text(_EXACT.normalize(amount)) if amount else "0"
