from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from observatory.rules.price_checks import problems_in
from observatory.rules.price_rows import PriceRow

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
days = st.one_of(st.none(), st.integers(0, 8))


@st.composite
def rows(draw: st.DrawFn) -> PriceRow:
    begin, end = draw(days), draw(days)
    if begin is not None and end is not None and begin >= end:
        begin, end = end, begin + 1
    return PriceRow(
        provider="openai",
        model=draw(st.sampled_from(["a", "A", "b"])),
        tenant_id=draw(st.sampled_from([None, "acme"])),
        valid_from=None if begin is None else NEW_YEAR + timedelta(days=begin),
        valid_to=None if end is None else NEW_YEAR + timedelta(days=end),
        input_usd_mtok=Decimal(1),
    )


def on_days(row: PriceRow) -> set[int]:
    """On which days, of those around the ones that are drawn, the price is valid."""
    moments = {day: NEW_YEAR + timedelta(days=day) for day in range(-1, 11)}
    return {
        day
        for day, at in moments.items()
        if (row.valid_from is None or row.valid_from <= at) and (row.valid_to is None or at < row.valid_to)
    }


@given(st.lists(rows(), max_size=6))
def test_rows_are_refused_where_two_prices_for_the_same_are_valid_on_a_day(given_rows: list[PriceRow]) -> None:
    meet = [
        (earlier, later)
        for earlier, later in combinations(range(len(given_rows)), 2)
        if given_rows[earlier].key == given_rows[later].key
        and on_days(given_rows[earlier]) & on_days(given_rows[later])
    ]
    found = problems_in(given_rows)
    assert bool(found) == bool(meet)
    assert {(problem.other, problem.position) for problem in found} <= set(meet)
    # Whoever leaves out each row that is told, and the ones they are told to collide with, is left with a fit file.
    told = {place for problem in found for place in (problem.position, problem.other)}
    assert problems_in([row for place, row in enumerate(given_rows) if place not in told]) == []


def test_a_tier_has_the_period_of_its_price() -> None:
    base = PriceRow(provider="openai", model="a", valid_from=NEW_YEAR, input_usd_mtok=Decimal(1))
    tier = replace(base, above_tokens=10)
    assert problems_in([tier, base]) == []
    (problem,) = problems_in([base, replace(tier, valid_from=None)])
    assert problem.position == 1
