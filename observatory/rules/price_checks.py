"""What the rows that are to become one version of the price book may not say."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from observatory.rules.price_rows import PriceKey, PriceRow
from observatory.rules.pricing import STANDARD_TIERS
from schemas.base import rfc3339

MAX_PRICE = Decimal(1_000_000)
MAX_MULTIPLIER = Decimal(1_000)
MAX_DECIMALS = 12
"""With these bounds a price times a multiplier times 2^53 tokens keeps all its digits in `MONEY`."""
MAX_TOKENS = 2**53
SHOWN_DIGITS = 40
FIRST_YEAR, LAST_YEAR = 1970, 9000

_EVER = datetime.min.replace(tzinfo=UTC)
_FOR_EVER = datetime.max.replace(tzinfo=UTC)


class RowProblem(NamedTuple):
    """What is wrong with the row at that position; `other` is the position of the row that it collides with."""

    position: int
    message: str
    other: int | None = None


def problems_in(rows: Sequence[PriceRow]) -> list[RowProblem]:
    """Everything that is wrong, in the order of the rows; empty for rows that may be recorded."""
    found = [RowProblem(index, message) for index, row in enumerate(rows) for message in _problems_of(row)]
    return sorted([*found, *_collisions(rows), *_lone_tiers(rows)], key=lambda problem: problem.position)


def _problems_of(row: PriceRow) -> Iterator[str]:
    if row.model is None and row.deployment is None:
        yield "name a model or a deployment"
    if row.valid_from is not None and row.valid_to is not None and row.valid_from >= row.valid_to:
        yield f"valid_to {rfc3339(row.valid_to)} is not after valid_from {rfc3339(row.valid_from)}"
    for name, at in (("valid_from", row.valid_from), ("valid_to", row.valid_to)):
        if at is not None and not FIRST_YEAR <= at.year <= LAST_YEAR:
            yield f"{name} {rfc3339(at)} is not between the years {FIRST_YEAR} and {LAST_YEAR}"
    if not 0 <= row.above_tokens <= MAX_TOKENS:
        yield f"above_tokens {row.above_tokens} is not between 0 and 2^53"
    for field, price in row.named_prices.items():
        yield from _bad_amount(field, price, MAX_PRICE)
    for tier, factor in row.multipliers:
        yield from _bad_amount(f"the multiplier of {tier}", factor, MAX_MULTIPLIER)
    for offered in (row.service_tier, *(tier for tier, _ in row.multipliers)):
        if offered is not None and offered in STANDARD_TIERS:
            yield f"{offered} is standard service: a row without service_tier"
    yield from _contradictions(row)


def _bad_amount(name: str, amount: Decimal, most: Decimal) -> Iterator[str]:
    shown = str(amount)[:SHOWN_DIGITS]
    if not amount.is_finite():
        yield f"{name} {shown} is no finite number"
    elif amount < 0:
        yield f"{name} {shown} is negative"
    elif amount > most:
        yield f"{name} {shown} is above {most}"
    elif amount != round(amount, MAX_DECIMALS):
        yield f"{name} {shown} has more than {MAX_DECIMALS} decimals"


def _contradictions(row: PriceRow) -> Iterator[str]:
    if row.withdrawn:
        if row.named_prices or row.multipliers or row.above_tokens:
            yield "what is withdrawn has no prices, multipliers and tiers"
        return
    if row.input_usd_mtok is None and row.output_usd_mtok is None:
        yield "neither input_usd_mtok nor output_usd_mtok is given"
    if row.multipliers and row.service_tier is not None:
        yield "multipliers belong to the price of standard service, not to that of a service tier"
    if row.multipliers and row.above_tokens:
        yield "multipliers stand once, in the row without above_tokens"


def _collisions(rows: Sequence[PriceRow]) -> Iterator[RowProblem]:
    """Rows for the same whose periods meet; the later one of two is the problem."""
    by_place: dict[tuple[PriceKey, int], list[int]] = {}
    for index, row in enumerate(rows):
        by_place.setdefault((row.key, row.above_tokens), []).append(index)
    for indexes in by_place.values():
        in_time = sorted(indexes, key=lambda index: (rows[index].valid_from or _EVER, index))
        longest = in_time[0]
        for index in in_time[1:]:
            if (rows[index].valid_from or _EVER) < (rows[longest].valid_to or _FOR_EVER):
                yield _collision(rows, *sorted((index, longest)))
            longest = max(longest, index, key=lambda one: rows[one].valid_to or _FOR_EVER)


def _collision(rows: Sequence[PriceRow], earlier: int, later: int) -> RowProblem:
    one, other = rows[earlier], rows[later]
    same = (one.valid_from, one.valid_to) == (other.valid_from, other.valid_to)
    message = "the price stands twice" if same else "two periods of the price overlap"
    return RowProblem(later, f"{message} ({other.key})", earlier)


def _lone_tiers(rows: Sequence[PriceRow]) -> Iterator[RowProblem]:
    bases = {(row.key, row.valid_from, row.valid_to): row for row in rows if not row.above_tokens}
    for index, row in enumerate(rows):
        if row.above_tokens:
            base = bases.get((row.key, row.valid_from, row.valid_to))
            if base is None or base.withdrawn:
                yield RowProblem(index, "a tier (above_tokens) needs a row without for the same and the same period")
            elif base.named_prices.keys() != row.named_prices.keys():
                yield RowProblem(index, "a tier names the same prices as the row that it is a tier of")
