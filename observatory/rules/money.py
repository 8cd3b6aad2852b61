"""Arithmetic of money: exact, or an error. Nothing is rounded here; screens round.

Every sum and product of money goes through `MONEY`, whose traps turn a lost digit into an exception.
"""

from collections.abc import Iterable
from decimal import (
    Context,
    Decimal,
    DecimalException,
    DivisionByZero,
    FloatOperation,
    Inexact,
    InvalidOperation,
    Overflow,
    Subnormal,
    Underflow,
)

MONEY = Context(
    prec=60,
    traps=[Inexact, InvalidOperation, DivisionByZero, Overflow, Underflow, Subnormal, FloatOperation],
)
"""60 digits: 2^53 tokens at any price with 20 decimals, summed over more calls than anyone will make."""

BOOKABLE = Context(prec=34, Emax=11, Emin=-10, traps=[InvalidOperation, Inexact, Overflow, FloatOperation])
"""Less than a million million dollars, at most 34 digits and 43 decimals: a million of them sum up within 60 digits."""

ZERO = Decimal(0)
_MILLION_EXPONENT = 6


def per_million(usd: str) -> Decimal:
    """USD for one token from a decimal string of USD for a million: "2.50" gives 0.0000025, exactly.

    Raises `decimal.InvalidOperation` for text that is no finite decimal number.
    """
    amount = MONEY.create_decimal(usd)
    if not amount.is_finite():
        raise InvalidOperation(f"a price must be finite, not {usd}")
    return MONEY.scaleb(amount, -_MILLION_EXPONENT)


def to_per_million(usd_per_token: Decimal) -> Decimal:
    """USD for a million tokens from USD for one, exactly."""
    return MONEY.scaleb(usd_per_token, _MILLION_EXPONENT)


def times(tokens: int, usd_per_token: Decimal) -> Decimal:
    """USD for so many tokens. Raises `decimal.Inexact` rather than lose a digit."""
    return MONEY.multiply(usd_per_token, tokens)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum, 0 of nothing. Raises `decimal.Inexact` rather than lose a digit."""
    amount = ZERO
    for other in amounts:
        amount = MONEY.add(amount, other)
    return amount


def bookable(text: str) -> Decimal:
    """The exact amount of a decimal text. Raises `ValueError` for no number or one absurdly large, small or long."""
    try:
        amount = BOOKABLE.create_decimal(text)
    except DecimalException as error:
        raise ValueError(f"{text[:60]!r} is not an amount that can be booked") from error
    if not amount.is_finite():
        raise ValueError("money must be a finite number")
    return amount
