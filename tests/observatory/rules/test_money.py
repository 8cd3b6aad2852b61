from decimal import Decimal, Inexact, InvalidOperation

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.rules.money import MONEY, per_million, times, total

prices = st.decimals(min_value=0, max_value=10_000, places=6, allow_nan=False, allow_infinity=False)


def test_a_price_for_a_million_becomes_the_exact_price_of_one_token() -> None:
    assert per_million("2.50") == Decimal("0.0000025")
    assert per_million("0.075") == Decimal("0.000000075")


@pytest.mark.parametrize("text", ["", "two", "NaN", "Infinity", "1,5"])
def test_a_price_that_is_no_finite_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidOperation):
        per_million(text)


def test_a_lost_digit_is_an_error() -> None:
    with pytest.raises(Inexact):
        total([Decimal("1e40"), Decimal("1e-40")])
    with pytest.raises(Inexact):
        MONEY.divide(Decimal(1), Decimal(3))


def test_a_float_cannot_become_money() -> None:
    with pytest.raises(TypeError):
        times(3, 0.1)  # type: ignore[arg-type]  # the mistake that the test is about


def test_nothing_adds_up_to_zero() -> None:
    assert total([]) == 0


@given(prices, st.integers(0, 2**53))
def test_a_million_tokens_cost_the_price_of_a_million(price: Decimal, tokens: int) -> None:
    assert times(1_000_000, per_million(str(price))) == price
    assert times(tokens, per_million(str(price))) * 1_000_000 == price * tokens
