"""The bill from the file, and what a wrong answer does to the comparison."""

from decimal import Decimal

from loadtests.replay.bill import compare, cost_usd
from loadtests.replay.trace import Row

ROWS = [Row(2, 0.0, 4808, 10), Row(3, 0.1, 374, 44)]
COSTS = {2: Decimal("0.0007272"), 3: Decimal("0.0000825")}


def test_a_row_costs_fifteen_cents_a_million_in_and_sixty_out() -> None:
    assert cost_usd(Row(2, 0.0, 1_000_000, 1_000_000)) == Decimal("0.75")
    assert cost_usd(ROWS[0]) == Decimal("0.0007272")


def test_the_bills_agree_when_every_row_was_answered_at_its_price() -> None:
    found = compare(ROWS, COSTS, {})
    assert found.ok
    assert found.expected_usd == Decimal("0.0008097")


def test_a_difference_in_the_last_decimal_is_found() -> None:
    found = compare(ROWS, {**COSTS, 3: Decimal("0.0000825000001")}, {})
    assert not found.ok
    assert found.differences == ("line 3: billed 0.0000825000001 USD, must be 0.0000825",)


def test_two_errors_that_cancel_out_are_still_a_difference() -> None:
    swapped = {2: COSTS[3], 3: COSTS[2]}
    found = compare(ROWS, swapped, {})
    assert found.billed_usd == found.expected_usd
    assert not found.ok


def test_a_request_without_an_answer_is_a_difference_with_its_reason() -> None:
    found = compare(ROWS, {2: COSTS[2]}, {3: "HTTP 503"})
    assert not found.ok
    assert found.differences == ("line 3: HTTP 503",)


def test_only_the_first_differences_are_listed_and_all_are_counted() -> None:
    rows = [Row(line, 0.0, 1, 1) for line in range(2, 22)]
    found = compare(rows, {}, {})
    assert (found.wrong, len(found.differences)) == (20, 5)
