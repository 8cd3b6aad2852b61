"""What differs between a provider's export and ours, by model and day."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.rules.drift import BUCKETS, Figures, Ours, Said, booked_month, drift, next_month, same_models

DAY, NEXT = date(2026, 10, 3), date(2026, 10, 4)
MINI, DATED = "gpt-4o-mini", "gpt-4o-mini-2024-07-18"
money = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**6), max_value=10**6, places=12)


def ours(usd: str, calls: int = 1) -> Ours:
    tokens = {**dict.fromkeys(BUCKETS, 0), "output_tokens": 10 * calls}
    return Ours(figures=Figures(calls=calls, tokens=tokens, usd=Decimal(usd)), unpriced_calls=0)


def costs(*days: date, **amounts: str) -> Said:
    said = {(model, DAY): Figures(usd=Decimal(amount)) for model, amount in amounts.items()}
    return Said(costs=said, cost_days=frozenset(days or (DAY,)))


def test_a_model_without_a_row_on_a_covered_day_was_billed_nothing() -> None:
    [row] = drift(costs(DAY), {("a", DAY): ours("0.5")}, {})
    assert (row.theirs.usd, row.difference.usd, row.percent) == (Decimal(0), Decimal("-0.5"), None)
    assert (row.theirs.calls, row.theirs.tokens) == (None, None)


def test_days_that_the_export_does_not_cover_are_left_out() -> None:
    assert [row.day for row in drift(costs(DAY), {("a", NEXT): ours("1"), ("a", DAY): ours("1")}, {})] == [DAY]
    assert drift(costs(DAY), {}, {("a", NEXT): Decimal(1)}) == []


def test_what_is_adjusted_already_is_no_difference_any_more() -> None:
    [row] = drift(costs(a="1.5"), {("a", DAY): ours("0.5")}, {("a", DAY): Decimal("0.75")})
    assert (row.difference.usd, row.percent) == (Decimal("0.25"), Decimal("16.6667"))


def test_an_adjustment_of_a_model_that_the_corrected_export_lacks_is_taken_back() -> None:
    [row] = drift(costs(DAY), {}, {("a", DAY): Decimal("0.75")})
    assert row.difference.usd == Decimal("-0.75")


def test_calls_under_the_name_without_its_date_are_of_the_only_dated_model() -> None:
    said = costs(**{DATED: "3"})
    [row] = drift(said, {(MINI, DAY): ours("1"), (DATED, DAY): ours("0.5", 2)}, {(MINI, DAY): Decimal("0.25")})
    assert (row.model, row.ours.calls, row.ours.usd, row.booked_usd) == (DATED, 3, Decimal("1.5"), Decimal("0.25"))
    assert row.difference.usd == Decimal("1.25")


def test_of_two_dated_models_the_name_without_a_date_is_neither() -> None:
    names = ["gpt-4o", "gpt-4o-2024-08-06", "gpt-4o-2024-11-20", "claude-haiku-4-5", "claude-haiku-4-5-20251001"]
    assert same_models(names) == {
        **{name: name for name in names}, "claude-haiku-4-5": "claude-haiku-4-5-20251001"
    }  # fmt: skip


def test_a_part_that_no_price_can_be_told_for_makes_the_whole_unknown() -> None:
    tokens = dict.fromkeys(BUCKETS, 1)
    said = Said(
        usage={(MINI, DAY): Figures(calls=1, tokens=tokens), (DATED, DAY): Figures(calls=1, tokens=tokens)},
        costs={(DATED, DAY): Figures(usd=Decimal(1))}, usage_days=frozenset({DAY}), cost_days=frozenset({DAY}),
        unpriceable=frozenset({(MINI, DAY)}), counts_calls=True, priced=True,
    )  # fmt: skip
    [row] = drift(said, {}, {})
    assert (row.theirs.calls, row.theirs.usd, row.difference.usd) == (2, None, None)


@given(theirs=money, mine=money, booked=st.lists(money, max_size=4))
def test_adjusting_the_difference_leaves_none(theirs: Decimal, mine: Decimal, booked: list[Decimal]) -> None:
    so_far = sum(booked, Decimal(0))
    [row] = drift(costs(a=f"{theirs:f}"), {("a", DAY): ours(f"{mine:f}")}, {("a", DAY): so_far})
    assert row.difference.usd is not None
    [again] = drift(costs(a=f"{theirs:f}"), {("a", DAY): ours(f"{mine:f}")}, {("a", DAY): so_far + row.difference.usd})
    assert again.difference.usd == 0


@pytest.mark.parametrize(
    ("closed", "month"),
    [
        (None, date(2026, 10, 1)),
        (date(2026, 9, 1), date(2026, 10, 1)),
        (date(2026, 10, 1), date(2026, 11, 1)),
        (date(2026, 12, 1), date(2027, 1, 1)),
    ],
)
def test_a_day_of_a_closed_month_counts_in_the_first_open_one(closed: date | None, month: date) -> None:
    assert booked_month(DAY, closed) == month
    assert next_month(date(2026, 1, 1)) == date(2026, 2, 1)
