"""A difference of cost falls into parts that say why, and that add up to it to the last digit."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from observatory.rules.cost_reasons import Reasons, Spending, reasons
from observatory.rules.money import MONEY, total

spendings = st.builds(
    Spending,
    st.integers(0, 10**9),
    st.integers(0, 10**13),
    st.decimals(0, 10**9, places=18, allow_nan=False, allow_infinity=False),
)


def of(calls: int, tokens: int, cost_usd: str) -> Spending:
    return Spending(calls, tokens, Decimal(cost_usd))


@given(spendings, spendings)
def test_the_parts_add_up_exactly(before: Spending, now: Spending) -> None:
    found = reasons(before, now)
    parts = (found.calls_usd, found.length_usd, found.rate_usd)
    assert total(parts) == MONEY.subtract(now.cost_usd, before.cost_usd)


def test_twice_as_many_calls_of_the_same_kind() -> None:
    assert reasons(of(10, 1000, "0.50"), of(20, 2000, "1.00")) == Reasons(Decimal("0.5"), Decimal(0), Decimal(0))


def test_the_same_calls_with_three_times_the_tokens() -> None:
    assert reasons(of(10, 1000, "0.50"), of(10, 3000, "1.50")) == Reasons(Decimal(0), Decimal(1), Decimal(0))


def test_the_same_calls_at_twice_the_price() -> None:
    assert reasons(of(10, 1000, "0.50"), of(10, 1000, "1.00")) == Reasons(Decimal(0), Decimal(0), Decimal("0.5"))


def test_what_is_new_or_gone_differs_by_its_calls() -> None:
    assert reasons(of(0, 0, "0"), of(3, 90, "0.30")).calls_usd == Decimal("0.30")
    assert reasons(of(3, 90, "0.30"), of(0, 0, "0")).calls_usd == Decimal("-0.30")


def test_calls_without_tokens_differ_by_number_and_price() -> None:
    assert reasons(of(2, 0, "0"), of(4, 0, "0.1")) == Reasons(Decimal(0), Decimal(0), Decimal("0.1"))
