"""Which alerts stand: thresholds against what was spent, and ids that are the same for the same thing."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from observatory.rules.alerts import (
    Spending,
    Unpriced,
    budget_alerts,
    standing_budget_alerts,
    unpriced_alerts,
)
from observatory.rules.budgets import Budget

START, END = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
BUDGET = Budget(budget_id="b", tenant_id="acme", scope="tenant", limit_usd=Decimal(2), hard=False, period="month")


def spent(amount: str | Decimal, budget: Budget = BUDGET, start: datetime = START, *, over: bool = False) -> Spending:
    return Spending(
        budget=budget, period_start=start, resets_at=END, spent_usd=Decimal(amount), reserved_usd=None,
        unpriced_calls=0, over=over,
    )  # fmt: skip


def test_each_threshold_that_is_reached_is_an_alert_that_names_everything() -> None:
    first, second = budget_alerts([spent("1.60000000000000000001")])
    assert (first.details["threshold"], second.details["threshold"]) == ("0.5", "0.8")
    assert second.message == (
        "budget b has reached 80 %: 1.60000000000000000001 of 2 USD spent this month; "
        "it begins anew at 2026-12-01T00:00:00.000000Z"
    )
    assert (second.details["limit_usd"], second.details["spent_usd"]) == ("2", "1.60000000000000000001")
    assert (second.severity, second.subject, second.tenant_id) == ("warning", "b", "acme")


def test_a_threshold_is_reached_to_the_last_digit_and_not_before() -> None:
    assert list(budget_alerts([spent("0.99999999999999999999")])) == []
    assert len(list(budget_alerts([spent("1")]))) == 1
    assert [alert.severity for alert in budget_alerts([spent("2")])] == ["warning", "warning", "critical"]


def test_nothing_is_raised_where_nothing_was_spent() -> None:
    assert list(budget_alerts([spent("0", replace(BUDGET, limit_usd=Decimal(0)))])) == []


@given(first=st.decimals(2, 99, places=9), second=st.decimals(2, 99, places=9))
def test_more_spending_is_the_same_alert(first: Decimal, second: Decimal) -> None:
    ids = [{alert.alert_id for alert in budget_alerts([spent(amount)])} for amount in (first, second)]
    assert ids[0] == ids[1]
    assert len(ids[0]) == 3


def test_another_period_tenant_budget_limit_or_threshold_is_another_alert() -> None:
    budgets = [
        BUDGET,
        replace(BUDGET, tenant_id="other"),
        replace(BUDGET, budget_id="c"),
        replace(BUDGET, limit_usd=Decimal("2.5")),
    ]
    alerts = [*budget_alerts([spent("9", budget) for budget in budgets]), *budget_alerts([spent("9", start=END)])]
    assert len({alert.alert_id for alert in alerts}) == len(alerts) == 15


def test_a_hard_budget_reaches_a_threshold_with_what_is_held() -> None:
    holding = replace(spent("0.9", replace(BUDGET, hard=True)), reserved_usd=Decimal("0.1"))
    (alert,) = budget_alerts([holding])
    assert "0.9 of 2 USD spent and 0.1 held this month" in alert.message
    assert (alert.details["spent_usd"], alert.details["reserved_usd"]) == ("0.9", "0.1")
    assert list(budget_alerts([replace(holding, reserved_usd=Decimal("0.09"))])) == []


def test_what_was_raised_stands_while_its_period_lasts_whatever_is_spent_by_then() -> None:
    raised = {alert.alert_id for alert in budget_alerts([spent("9")])}
    for later in (spent("0"), replace(spent("0"), spent_usd=None)):
        assert list(budget_alerts([later])) == []
        assert {alert.alert_id for alert in standing_budget_alerts([later])} == raised
    assert list(standing_budget_alerts([spent("9", over=True)])) == []


@given(limit=st.integers(1, 10**200), threshold=st.integers(1, 10**200))
def test_no_budget_has_too_many_digits_to_be_watched(limit: int, threshold: int) -> None:
    long = replace(BUDGET, limit_usd=Decimal(f"{limit}E-150"), thresholds=(Decimal(f"{threshold}E-199"),))
    # As fractions of whole numbers: 9 * 10^349 against limit * threshold.
    assert bool(list(budget_alerts([spent("9", long)]))) == (limit * threshold <= 9 * 10**349)


def test_a_number_written_in_another_way_is_the_same_alert() -> None:
    written = replace(BUDGET, limit_usd=Decimal("2.00"), thresholds=(Decimal("0.50"), Decimal("0.8"), Decimal("1.0")))
    ids = [[alert.alert_id for alert in budget_alerts([spent("9", budget)])] for budget in (BUDGET, written)]
    assert ids[0] == ids[1]


def test_a_model_without_a_price_is_another_alert_once_it_comes_back() -> None:
    known = Unpriced(tenant_id="acme", provider="openai", model="new-model", calls=1, earlier=0)
    (first,) = unpriced_alerts([known])
    (same,) = unpriced_alerts([replace(known, calls=7)])
    (again,) = unpriced_alerts([replace(known, earlier=1)])
    assert first.alert_id == same.alert_id != again.alert_id
    assert "1 call without a cost" in first.message
    assert same.details == {"provider": "openai", "model": "new-model", "unpriced_calls": 7}
