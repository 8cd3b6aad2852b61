"""Ways to look at the price book: what is valid at a moment, what was ever recorded, what a version changed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from observatory.rules.own_prices import RecordedRow
from observatory.rules.price_book import EVER, PriceBook
from observatory.rules.price_lists import PriceList, span_of
from observatory.rules.price_rows import PriceKey, PriceRow
from observatory.rules.pricing import PriceQuery, Rates


def valid_rows(book: PriceBook, at: datetime) -> list[RecordedRow]:
    """Our own prices that are valid at a moment, then the shipped list's; tiers follow their price."""
    newest: dict[PriceKey, RecordedRow] = {}
    for one in book.own_rows:
        if not one.row.above_tokens and _covers(one, at):
            found = newest.get(one.row.key)
            if found is None or one.version > found.version:
                newest[one.row.key] = one
    bases = {(one.version, _place(one.row)) for one in newest.values() if not one.row.withdrawn}
    own = [one for one in book.own_rows if (one.version, _place(one.row)) in bases]
    own.sort(key=lambda one: (tuple(part or "" for part in one.row.key), one.row.above_tokens))
    listed = [] if book.shipped is None else [one for one in rows_of(book.shipped) if _covers(one, at)]
    return [*own, *listed]


def _place(row: PriceRow) -> tuple[PriceKey, datetime | None, datetime | None]:
    return row.key, row.valid_from, row.valid_to


def _covers(recorded: RecordedRow, at: datetime) -> bool:
    return span_of(recorded.version, [recorded.row], None).covers(at)


def rows_of(prices: PriceList) -> Iterator[RecordedRow]:
    """The rows of a list that hold a price, in its order."""
    for provider in sorted(prices.providers):
        for model in prices.models(provider):
            yield from (RecordedRow(prices.version, row) for row in model.rows if row.named_prices)


def history(book: PriceBook, provider: str, model: str) -> list[RecordedRow]:
    """Everything that was ever recorded for a model, by whichever of its names; by version."""
    found = [one for one in book.own_rows if one.row.key.provider == provider and book.names(one, model)]
    for prices in book.lists:
        listed = prices.find(provider, model)
        if listed is not None:
            found += [RecordedRow(prices.version, row) for row in listed.rows if row.named_prices]
    return sorted(found, key=lambda one: one.version)


@dataclass(frozen=True, slots=True)
class PriceChange:
    """In a period: the rates and the name of their version in the one book and in the other; None: no known price.

    Where prices go by the hour of the day, the period is that of the first day, and stands for all that follow.
    """

    key: PriceKey
    valid_from: datetime | None
    valid_to: datetime | None
    before: tuple[Rates, str] | None
    after: tuple[Rates, str] | None


def changes(before: PriceBook, after: PriceBook) -> list[PriceChange]:
    """Where two books have different rates, by key and time."""
    found: list[PriceChange] = []
    for key in sorted(_keys(before, after), key=lambda key: tuple(part or "" for part in key)):
        found += _changes_of(key, before, after)
    return found


def _keys(before: PriceBook, after: PriceBook) -> set[PriceKey]:
    """What either has a price for, in each service tier."""
    keys = set()
    for one in (*before.own_rows, *after.own_rows):
        keys.add(one.row.key)
        keys |= {one.row.key._replace(service_tier=tier) for tier, _ in one.row.multipliers}
    if before.shipped is not after.shipped:
        for prices in (before.shipped, after.shipped):
            keys |= set() if prices is None else {one.row.key for one in rows_of(prices)}
    return keys


def _changes_of(key: PriceKey, before: PriceBook, after: PriceBook) -> Iterator[PriceChange]:
    asked = PriceQuery(
        kind=key.provider,
        model=key.model or "",
        at=EVER,
        service_tier=key.service_tier,
        tenant_id=key.tenant_id,
        region=key.region,
        deployment=key.deployment,
    )
    moments = sorted({EVER, *before.moments(asked), *after.moments(asked)})
    open_change = None
    for at in moments:
        at_that_time = replace(asked, at=at)
        pair = before.rates(at_that_time), after.rates(at_that_time)
        if open_change is not None and (open_change.before, open_change.after) != pair:
            yield replace(open_change, valid_to=at)
            open_change = None
        if open_change is None and _rates(pair[0]) != _rates(pair[1]):
            open_change = PriceChange(key, None if at == EVER else at, None, *pair)
    if open_change is not None:
        yield open_change


def _rates(found: tuple[Rates, str] | None) -> Rates | None:
    return None if found is None else found[0]
