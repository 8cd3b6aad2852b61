"""How prices are printed: as tables, and as JSON with the fields of a price file."""

import dataclasses
from collections.abc import Iterable
from decimal import Decimal

from rich.table import Table

from observatory.cli.output import add_row, table
from observatory.rules.money import to_per_million
from observatory.rules.own_prices import RecordedRow
from observatory.rules.price_book import PriceBook, PriceVersion
from observatory.rules.price_rows import PRICE_FIELDS, PRICE_SUFFIX
from observatory.rules.price_views import PriceChange
from observatory.rules.pricing import Rates
from schemas.base import decimal_text

_BUCKETS = tuple(name.removesuffix(PRICE_SUFFIX) for name in PRICE_FIELDS)
_EXPENDABLE = (*reversed(_BUCKETS[2:]), "recorded", "version", "to", "from")
_OF_A_LIST = ("list_position", "list_match")


def row_json(book: PriceBook, recorded: RecordedRow) -> dict[str, object]:
    """A row without what it does not say, with its version and when that was recorded."""
    version = book.version_of(recorded.version)
    fields = dataclasses.asdict(recorded.row)
    fields["multipliers"] = dict(recorded.row.multipliers) or None
    said = {name: value for name, value in fields.items() if value is not None and name not in _OF_A_LIST}
    return {"price_version": version.name, "recorded_at": version.recorded_at, **said}


def rows_table(book: PriceBook, rows: Iterable[RecordedRow], *, recorded: bool = False) -> Table:
    """Prices in US dollars for a million tokens."""
    columns = ["provider", "model", "for", "tier", "from", "to", "version", *(["recorded"] if recorded else [])]
    result = table([*columns, "above", *_BUCKETS], left=len(columns), expendable=_EXPENDABLE)
    for one in rows:
        row, version = one.row, book.version_of(one.version)
        prices = ["withdrawn"] if row.withdrawn else [getattr(row, name) for name in PRICE_FIELDS]
        tiers = ", ".join([row.service_tier or "", *(f"{tier}×{decimal_text(by)}" for tier, by in row.multipliers)])
        cells = [row.provider, row.model, _whom(one), tiers.strip(", "), row.valid_from, row.valid_to, version.name]
        add_row(result, *cells, *([version.recorded_at] if recorded else []), row.above_tokens or None, *prices)
    return result


def _whom(one: RecordedRow) -> str:
    parts = {"tenant": one.row.tenant_id, "deployment": one.row.deployment, "region": one.row.region}
    hours = f"{one.row.daily_from or '0:00'}–{one.row.daily_to or '24:00'}"
    named = [f"{name} {value}" for name, value in parts.items() if value is not None]
    return ", ".join([*named, hours] if one.row.daily_from or one.row.daily_to else named)


def rates_json(rates: Rates) -> dict[str, object]:
    """Rates in US dollars for a million tokens, with their tiers."""
    tiers = [{"above_tokens": above, **_flat(tier)} for above, tier in rates.tiers]
    return {**_flat(rates), "tiers": tiers}


def _flat(rates: Rates) -> dict[str, object]:
    each = zip(PRICE_FIELDS, _in_order(rates), strict=True)
    return {name: None if rate is None else to_per_million(rate) for name, rate in each}


def _in_order(rates: Rates) -> list[Decimal | None]:
    return [getattr(rates, "uncached_input" if bucket == "input" else bucket) for bucket in _BUCKETS]


def rates_table(rates: Rates, price_version: str) -> Table:
    """One line for each tier."""
    title = f"{price_version}, $ for a million tokens"
    result = table(["above tokens", *_BUCKETS], left=0, title=title, expendable=_EXPENDABLE)
    for above, tier in ((0, rates), *rates.tiers):
        add_row(result, above, *_flat(tier).values())
    return result


def change_json(change: PriceChange) -> dict[str, object]:
    """Before and after; null where no price is known."""
    sides = {"before": change.before, "after": change.after}
    shown = {
        name: None if side is None else {"price_version": side[1], **rates_json(side[0])}
        for name, side in sides.items()
    }
    return {**change.key._asdict(), "valid_from": change.valid_from, "valid_to": change.valid_to, **shown}


def changes_table(changes: Iterable[PriceChange]) -> Table:
    """A line for each bucket whose price changes."""
    result = table(["price", "from", "to", "tokens", "version", "before", "after"], left=5)
    for change in changes:
        for tokens, before, after in _changed_buckets(change):
            version = change.after[1] if change.after else "–"
            add_row(result, str(change.key), change.valid_from, change.valid_to, tokens, version, before, after)
    return result


def _changed_buckets(change: PriceChange) -> Iterable[tuple[str, object, object]]:
    before, after = (_by_tier(side) for side in (change.before, change.after))
    for tokens in dict.fromkeys([*before, *after]):
        if before.get(tokens) != after.get(tokens):
            yield tokens, before.get(tokens), after.get(tokens)


def _by_tier(side: tuple[Rates, str] | None) -> dict[str, object]:
    if side is None:
        return {}
    rates = side[0]
    named = dict(zip(_BUCKETS, _flat(rates).values(), strict=True))
    for above, tier in rates.tiers:
        prices = zip(_BUCKETS, _flat(tier).values(), strict=True)
        named |= {f"{bucket} above {above:,}": price for bucket, price in prices}
    return named


def version_json(version: PriceVersion) -> dict[str, object]:
    """As facts name it, with its number."""
    return {
        "version": version.version,
        "price_version": version.name,
        "source": version.source,
        "recorded_at": version.recorded_at,
        "note": version.note,
    }


def versions_table(versions: Iterable[PriceVersion]) -> Table:
    """One line a version."""
    result = table(["version", "source", "recorded", "note"], left=4)
    for version in versions:
        add_row(result, version.name, version.source, version.recorded_at, version.note)
    return result
