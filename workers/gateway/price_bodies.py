"""Prices of the book as bodies of `/api/v1/prices`, and those bodies as rows of the book."""

import dataclasses
from decimal import Decimal

from observatory.rules.money import to_per_million
from observatory.rules.own_prices import RecordedRow
from observatory.rules.price_book import PriceBook, PriceVersion
from observatory.rules.price_rows import PRICE_SUFFIX, PriceRow
from observatory.rules.price_views import PriceChange
from observatory.rules.pricing import Rates
from schemas.prices import (
    BucketPrices,
    PriceChangeView,
    PriceFields,
    PriceInForce,
    PriceTier,
    PriceVersionView,
    RecordedPrice,
)

_OF_A_LIST = ("list_position", "list_match")


def row_of(price: PriceFields) -> PriceRow:
    """The row that a body describes."""
    fields = price.model_dump(exclude={"multipliers", "currency"})
    return PriceRow(**fields, multipliers=tuple(sorted(price.multipliers.items())))


def recorded_price(book: PriceBook, recorded: RecordedRow) -> RecordedPrice:
    """A row with its version."""
    version, fields = book.version_of(recorded.version), dataclasses.asdict(recorded.row)
    hours = {name: None if fields[name] is None else str(fields[name]) for name in ("daily_from", "daily_to")}
    said = {name: value for name, value in fields.items() if name not in _OF_A_LIST}
    return RecordedPrice(
        **{**said, **hours, "multipliers": dict(recorded.row.multipliers)},
        price_version=version.name,
        recorded_at=version.recorded_at,
    )


def version_view(version: PriceVersion, rows: int | None = None) -> PriceVersionView:
    """A version; `rows`: how many it brought."""
    return PriceVersionView(
        version=version.version,
        price_version=version.name,
        source=version.source,
        recorded_at=version.recorded_at,
        note=version.note,
        rows=rows,
    )


def in_force(found: tuple[Rates, str]) -> PriceInForce:
    """Rates as prices for a million tokens."""
    rates, price_version = found
    tiers = [PriceTier(**_buckets(tier), above_tokens=above) for above, tier in rates.tiers]
    return PriceInForce(**_buckets(rates), price_version=price_version, tiers=tiers)


def _buckets(rates: Rates) -> dict[str, Decimal | None]:
    found = {}
    for name in BucketPrices.model_fields:
        bucket = name.removesuffix(PRICE_SUFFIX)
        rate: Decimal | None = getattr(rates, "uncached_input" if bucket == "input" else bucket)
        found[name] = None if rate is None else to_per_million(rate)
    return found


def change_view(change: PriceChange) -> PriceChangeView:
    """A change with both its sides."""
    return PriceChangeView(
        **change.key._asdict(),
        valid_from=change.valid_from,
        valid_to=change.valid_to,
        before=None if change.before is None else in_force(change.before),
        after=None if change.after is None else in_force(change.after),
    )
