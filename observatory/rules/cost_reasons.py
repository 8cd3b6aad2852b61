"""Why something costs more or less than before: more calls, longer ones, or dearer tokens.

Cost is calls times tokens a call times the cost of a token. The parts are taken in this order, each at what the ones
after it were before, and the last is the rest: so they add up to the difference exactly, whatever is rounded within.
"""

from dataclasses import dataclass
from decimal import Context, Decimal, FloatOperation, Inexact

from observatory.rules.averages import quotient
from observatory.rules.money import MONEY, ZERO

_PRODUCT = Context(prec=100, traps=[Inexact, FloatOperation])
"""An amount of `MONEY` times numbers of calls and tokens."""


@dataclass(frozen=True, slots=True)
class Spending:
    """What was called in a period."""

    calls: int
    tokens: int
    cost_usd: Decimal


@dataclass(frozen=True, slots=True)
class Reasons:
    """Parts of a difference in US dollars, each with 12 decimals at most but for the last, which is the exact rest."""

    calls_usd: Decimal
    length_usd: Decimal
    rate_usd: Decimal


def reasons(before: Spending, now: Spending) -> Reasons:
    """What of the difference comes from the number of calls, their length, and the price of their tokens.

    What did not exist before, or does no more, differs by its calls alone.
    """
    difference = MONEY.subtract(now.cost_usd, before.cost_usd)
    if not before.calls or not now.calls:
        return Reasons(difference, ZERO, ZERO)
    by_calls = _part(before.cost_usd, now.calls - before.calls, before.calls)
    # Of each token of now more than the calls of now would have had before, at the price of before.
    more = now.tokens * before.calls - before.tokens * now.calls
    by_length = _part(before.cost_usd, more, before.tokens * before.calls)
    rest = MONEY.subtract(MONEY.subtract(difference, by_calls), by_length)
    return Reasons(by_calls, by_length, rest)


def _part(amount: Decimal, times: int, of: int) -> Decimal:
    return quotient(_PRODUCT.multiply(amount, times), of) or ZERO
