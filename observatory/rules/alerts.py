"""Which alerts stand: what budgets have spent against their thresholds, and models that have no price. Pure.

An alert has an id made of what it is about, so finding it again is the same alert. One that stands no more is resolved.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid5

from observatory.rules.budgets import Budget
from observatory.rules.money import MONEY
from schemas.alerts import Severity
from schemas.base import decimal_text, rfc3339

ALERT_NAMESPACE = UUID("5d0c1f7e-9a4b-5c1d-8e57-2f6b9c3a7d10")

BUDGET_THRESHOLD = "budget_threshold"
UNPRICED_MODEL = "unpriced_model"
KINDS = (BUDGET_THRESHOLD, UNPRICED_MODEL)

_EACH: Mapping[str, str] = {"hour": "this hour", "day": "today", "month": "this month", "total": "so far"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something that needs attention; `over`: it did, and does not any more. Money in `details` is decimal text."""

    kind: str
    severity: Severity
    tenant_id: str
    subject: str
    occurrence: str
    message: str
    details: Mapping[str, object]
    over: bool = False

    @property
    def alert_id(self) -> UUID:
        """The same for the same thing, whoever finds it and how often."""
        return uuid5(ALERT_NAMESPACE, "\x1f".join((self.kind, self.tenant_id, self.subject, self.occurrence)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What a budget has spent in one of its periods, in US dollars; the calls without a price are not in it.

    `reserved_usd` is held besides, of a hard budget. `over`: the period has ended.
    """

    budget: Budget
    period_start: datetime
    resets_at: datetime | None
    spent_usd: Decimal
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

    Nothing is raised for a period in which nothing was spent.
    """
    for spending in spendings:
        for threshold in sorted(set(spending.budget.thresholds)):
            reached = MONEY.multiply(threshold, spending.budget.limit_usd)
            if spending.spent_usd > 0 and spending.spent_usd >= reached:
                yield _budget_alert(spending, threshold)


def _budget_alert(spending: Spending, threshold: Decimal) -> Alert:
    budget = spending.budget
    limit, spent = _plain(budget.limit_usd), _plain(spending.spent_usd)
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
    percent = _plain(MONEY.multiply(threshold, Decimal(100)))
    return Alert(
        kind=BUDGET_THRESHOLD,
        severity="critical" if threshold >= 1 else "warning",
        tenant_id=budget.tenant_id,
        subject=budget.budget_id,
        occurrence=f"{start} {limit} {_plain(threshold)}",
        message=f"budget {budget.budget_id} has reached {percent} %: {spent} of {limit} USD spent {when}{until}",
        details=details,
        over=spending.over,
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
    return decimal_text(MONEY.normalize(amount)) if amount else "0"
