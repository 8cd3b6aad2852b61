"""The prices that `genai-prices` ships, as rows of the price book.

Promises: each row has exactly the prices that the package's own look-up gives at every moment of the row's period, and
goes by the package's own match clauses. A price that depends on more than our token buckets (a fee for each request,
reasoning charged apart) is left out: a cost without it would look exact and be wrong.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, time
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from itertools import pairwise

import orjson
from genai_prices.data import providers as shipped_providers
from genai_prices.types import (
    ClauseAnd,
    ClauseContains,
    ClauseEndsWith,
    ClauseEquals,
    ClauseOr,
    ClauseRegex,
    ClauseStartsWith,
    MatchLogic,
    ModelInfo,
    ModelPrice,
    PriceVariant,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from observatory.rules.own_prices import RecordedRow
from observatory.rules.price_book import PriceBook, PriceVersion
from observatory.rules.price_rows import PriceRow
from observatory.rules.pricing import STANDARD_TIERS

SHIPPED_VERSION = f"genai-prices/{version('genai-prices')}"

# Which price of the table a bucket is charged at: the first that is there. A model that has no price of its own for
# cached or audio tokens charges them as plain ones, as its provider does.
_PRICE_KEYS = {
    "input_usd_mtok": ("input_mtok",),
    "output_usd_mtok": ("output_mtok",),
    "cache_read_usd_mtok": ("cache_read_mtok", "input_mtok"),
    "cache_write_5m_usd_mtok": ("cache_write_5m_mtok", "cache_write_mtok", "input_mtok"),
    "cache_write_1h_usd_mtok": ("cache_write_1h_mtok", "cache_write_mtok", "input_mtok"),
    "input_audio_usd_mtok": ("input_audio_mtok", "input_mtok"),
    "output_audio_usd_mtok": ("output_audio_mtok", "output_mtok"),
    "input_image_usd_mtok": ("input_image_mtok", "input_mtok"),
}
_UNKNOWN_TO_US = ("requests_kcount", "output_reasoning_mtok", "output_citation_mtok")

_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_MIDNIGHT = time()

_Price = Decimal | TieredPrices
_Constraint = StartDateConstraint | TimeOfDateConstraint | None


def shipped_rows() -> Iterator[PriceRow]:
    """The whole table, in its order."""
    for provider in shipped_providers:
        for position, info in enumerate(provider.models):
            match = orjson.dumps(_clause(info.match)).decode()
            # One that has no price for tokens is there too: its names must not mean another model.
            nothing = PriceRow(provider=provider.id, model=info.id)
            for row in list(_rows_of(provider.id, info)) or [nothing]:
                yield replace(row, list_position=position, list_match=match)


@cache
def shipped_book() -> PriceBook:
    """The book that holds the shipped prices and nothing else, as its version 1."""
    shipped = PriceVersion(1, SHIPPED_VERSION, "shipped", _EVER)
    return PriceBook([shipped], (RecordedRow(1, row) for row in shipped_rows()))


def _clause(match: MatchLogic) -> dict[str, object]:
    match match:
        case ClauseEquals():
            return {"equals": match.equals}
        case ClauseStartsWith():
            return {"starts_with": match.starts_with}
        case ClauseEndsWith():
            return {"ends_with": match.ends_with}
        case ClauseContains():
            return {"contains": match.contains}
        case ClauseRegex():
            return {"regex": match.regex}
        case ClauseOr():
            return {"or": [_clause(part) for part in match.or_]}
        case ClauseAnd():
            return {"and": [_clause(part) for part in match.and_]}


def _rows_of(provider: str, info: ModelInfo) -> Iterator[PriceRow]:
    """One row a tier for each period in which nothing about the price changes."""
    for tier, context in _tiers(provider, info):
        for valid_from, valid_to in _days(info):
            for daily_from, daily_to in _hours(info):
                moment = datetime.combine((valid_from or _EVER).date(), daily_from or _MIDNIGHT, UTC)
                prices = _prices_at(info, moment, context)
                if prices is not None and _is_ours(prices):
                    period = PriceRow(
                        provider=provider,
                        model=info.id,
                        service_tier=tier,
                        valid_from=valid_from,
                        valid_to=valid_to,
                        daily_from=daily_from,
                        daily_to=daily_to,
                    )
                    yield from _tier_rows(period, prices)


def _tiers(provider: str, info: ModelInfo) -> Iterator[tuple[str | None, Mapping[str, str] | None]]:
    """Standard service and each service tier that the model has a price for, with the package's context for it."""
    yield None, None
    seen = set()
    for variant in info.price_variants or ():
        tier = _tier_name(provider, variant)
        if tier is not None and tier not in STANDARD_TIERS and tier not in seen:
            seen.add(tier)
            yield tier, variant.when


def _tier_name(provider: str, variant: PriceVariant) -> str | None:
    """Our name of the service tier that a variant is for; None for a variant of another kind."""
    if variant.when == {"processing": "batch"}:
        return "batch"
    if variant.when == {"speed": "fast"} and provider == "anthropic":
        return "fast"
    return variant.when.get("service_tier") if len(variant.when) == 1 else None


def _constraints(info: ModelInfo) -> Iterator[_Constraint]:
    if not isinstance(info.prices, ModelPrice):
        yield from (conditional.constraint for conditional in info.prices)
    yield from (variant.constraint for variant in info.price_variants or ())


def _days(info: ModelInfo) -> Iterator[tuple[datetime | None, datetime | None]]:
    """The periods between the days on which a price of the model begins."""
    days = {c.start_date for c in _constraints(info) if isinstance(c, StartDateConstraint)}
    begins = [datetime.combine(day, _MIDNIGHT, UTC) for day in sorted(days)]
    return pairwise([None, *begins, None])


def _hours(info: ModelInfo) -> Iterator[tuple[time | None, time | None]]:
    """The hours of the day (UTC) between which no price of the model changes."""
    limits = [c for c in _constraints(info) if isinstance(c, TimeOfDateConstraint)]
    hours = {_utc(hour) for limit in limits for hour in (limit.start_time, limit.end_time)} - {_MIDNIGHT}
    return pairwise([None, *sorted(hours), None])


def _utc(hour: time) -> time:
    moment = datetime.combine(_EVER.date(), hour if hour.tzinfo else hour.replace(tzinfo=UTC))
    return moment.astimezone(UTC).time()


def _prices_at(info: ModelInfo, moment: datetime, context: Mapping[str, str] | None) -> ModelPrice | None:
    """None for a service tier that has no price then: the standard price would look exact and be wrong."""
    if context is not None and not any(_applies(variant, moment, context) for variant in info.price_variants or ()):
        return None
    return info.get_prices(moment, context)


def _applies(variant: PriceVariant, moment: datetime, context: Mapping[str, str]) -> bool:
    on = variant.constraint is None or variant.constraint.active(moment)
    return on and all(context.get(key) == value for key, value in variant.when.items())


def _is_ours(prices: ModelPrice) -> bool:
    """Whether tokens alone decide what the model costs, and one of its prices is known."""
    if any(getattr(prices, key) is not None for key in _UNKNOWN_TO_US):
        return False
    return prices.input_mtok is not None or prices.output_mtok is not None


def _tier_rows(period: PriceRow, prices: ModelPrice) -> Iterator[PriceRow]:
    by_bucket = {bucket: _first_price(prices, keys) for bucket, keys in _PRICE_KEYS.items()}
    yield _priced(period, by_bucket, 0)
    starts = {tier.start for price in by_bucket.values() if isinstance(price, TieredPrices) for tier in price.tiers}
    for start in sorted(starts):
        yield _priced(replace(period, above_tokens=start), by_bucket, start + 1)


def _first_price(prices: ModelPrice, keys: Iterable[str]) -> _Price | None:
    found = (getattr(prices, key) for key in keys)
    return next((price for price in found if price is not None), None)


def _priced(row: PriceRow, by_bucket: Mapping[str, _Price | None], prompt_tokens: int) -> PriceRow:
    """The row with the prices for a prompt of so many tokens."""
    prices = {bucket: _reached(price, prompt_tokens) for bucket, price in by_bucket.items()}
    return replace(row, **prices)  # type: ignore[arg-type]  # the keys are names of fields that hold prices


def _reached(price: _Price | None, prompt_tokens: int) -> Decimal | None:
    if isinstance(price, TieredPrices):
        reached = (tier.price for tier in reversed(price.tiers) if prompt_tokens > tier.start)
        return next(reached, price.base)
    return price
