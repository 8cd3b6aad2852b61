"""What attempts reserve of their budgets, as arguments of the statements that begin them, and what those refuse."""

from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import TypeVar

import asyncpg
from asyncpg import Record

T = TypeVar("T")

STALE = "OB001"
"""SQLSTATE of `journal.check_budgets` and `journal.reserve`."""


class StaleBudgets(Exception):
    """The attempts were decided by budgets or periods that are not those of now; nothing was written."""


@dataclass(frozen=True, slots=True)
class BudgetPeriod:
    """A budget and the period of it that an attempt is reserved in; `end` None: it never ends."""

    budget_id: str
    start: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True)
class Reservation:
    """The most that an attempt can cost, in US dollars, and the budgets that must all have room for it."""

    amount_usd: Decimal
    periods: tuple[BudgetPeriod, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """The budget that has least left for an attempt that did not begin; in US dollars, `resets_at` None: never."""

    budget_id: str
    limit_usd: Decimal
    left_usd: Decimal
    resets_at: datetime | None


async def unless_stale(statement: Awaitable[T]) -> T:
    """The result of a statement that begins attempts. Raises `StaleBudgets`."""
    try:
        return await statement
    except asyncpg.PostgresError as error:
        if error.sqlstate == STALE:
            raise StaleBudgets from error
        raise


def reserve_columns(reservations: Sequence[Reservation | None]) -> tuple[list[list[object]], list[list[object]]]:
    """What `journal.reserve` takes: the budgets of the batch with their periods, and of each attempt its amount and the
    places of its budgets among those; two columns of null where nothing is reserved.
    """
    periods = sorted({p for r in reservations if r for p in r.periods}, key=attrgetter("budget_id"))
    # Rows are locked sorted by the bytes of their ids, which is how Python sorts text.
    places = {period: str(place) for place, period in enumerate(periods, 1)}
    amounts: list[object] = [None if r is None else r.amount_usd for r in reservations]
    matched: list[object] = [None if r is None else _array(places[p] for p in r.periods) for r in reservations]
    budgets: list[list[object]] = [[p.budget_id for p in periods], [p.start for p in periods], [p.end for p in periods]]
    return budgets, [amounts, matched]


def _array(elements: Iterable[str]) -> str:
    """PostgreSQL's text of an array: columns of arrays of different lengths cannot be sent otherwise."""
    return "{" + ",".join(elements) + "}"


def refusal_of(row: Record) -> Refusal:
    """From a row of `journal.reserve`."""
    return Refusal(row["budget_id"], row["limit_usd"], row["left_usd"], row["resets_at"])
