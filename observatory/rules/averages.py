"""Quotients for people: an average of exact sums, rounded at the end and never added up again.

A quotient has no last digit in general. These have 12 decimals, correctly rounded; the sums that they are made of stand
beside them, exact.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal, FloatOperation

_QUOTIENT = Context(prec=80, rounding=ROUND_HALF_EVEN, traps=[FloatOperation])
_LAST_DECIMAL = Decimal("1e-12")


def quotient(amount: Decimal, count: Decimal | int) -> Decimal | None:
    """`amount` for each of `count`, to 12 decimals; None when there is nothing to divide by."""
    if not count:
        return None
    return _QUOTIENT.quantize(_QUOTIENT.divide(amount, Decimal(count)), _LAST_DECIMAL).normalize()


def share(part: int, whole: int) -> float | None:
    """What part of a whole it is, from 0 to 1; None of nothing."""
    return part / whole if whole else None
