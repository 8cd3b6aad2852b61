"""The price book: the rates of a model on a day, from the table that `genai-prices` ships.

Promises: rates are exact decimals taken from that table's own decimals; a price that the table does not hold is None,
never 0 and never a guess. Rows of our own, with valid and recorded time, will be asked before the shipped table in
`PriceBook.rates`; each answer names the version of the table that it came from.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache
from importlib.metadata import version

from genai_prices.data import providers as shipped_providers
from genai_prices.types import ModelInfo, ModelPrice, PriceVariant, Provider, TieredPrices

from observatory.rules.money import per_million
from observatory.rules.pricing import PriceQuery, Rates, UnpricedTokensError, cost_of
from schemas.base import decimal_text
from schemas.calls import Usage

SHIPPED_VERSION = f"genai-prices/{version('genai-prices')}"
STANDARD_TIERS = frozenset({None, "default", "standard", "auto"})
CACHED_RATES = 4096

# Which price of the table a bucket is charged at: the first that is there. A model that has no price of its own for
# cached or audio tokens charges them as plain ones, as its provider does.
_PRICE_KEYS = {
    "uncached_input": ("input_mtok",),
    "cache_read": ("cache_read_mtok", "input_mtok"),
    "cache_write_5m": ("cache_write_5m_mtok", "cache_write_mtok", "input_mtok"),
    "cache_write_1h": ("cache_write_1h_mtok", "cache_write_mtok", "input_mtok"),
    "output": ("output_mtok",),
    "input_audio": ("input_audio_mtok", "input_mtok"),
    "output_audio": ("output_audio_mtok", "output_mtok"),
    "input_image": ("input_image_mtok", "input_mtok"),
}

_Price = Decimal | TieredPrices


class PriceBook:
    """Prices by provider kind, model, day (UTC) and service tier; answers are cached."""

    def __init__(self) -> None:
        self._cached_rates = lru_cache(CACHED_RATES)(_shipped_rates)

    def rates(self, query: PriceQuery) -> tuple[Rates, str] | None:
        """The rates that applied at that moment and the version of their table; None where no price is known."""
        day = query.at.astimezone(UTC).date()
        rates = self._cached_rates(query.kind, query.model, day, query.service_tier)
        return None if rates is None else (rates, SHIPPED_VERSION)

    def cost(self, query: PriceQuery, usage: Usage) -> tuple[Decimal, str] | None:
        """USD for the usage and the version of the price; None where a token of it has no known price."""
        found = self.rates(query)
        if found is None:
            return None
        rates, price_version = found
        try:
            return cost_of(usage, rates), price_version
        except UnpricedTokensError:
            return None


def _shipped_rates(kind: str, model: str, day: date, service_tier: str | None) -> Rates | None:
    moment = datetime.combine(day, time(), UTC)
    for info in _models_named(kind, model):
        prices = _prices_on(info, kind, moment, service_tier)
        if prices is not None and (prices.input_mtok is not None or prices.output_mtok is not None):
            return _rates_of(prices)
    return None


def _models_named(kind: str, model: str) -> Iterator[ModelInfo]:
    """The model in the provider's own list, then, for Azure, in OpenAI's: Azure sells at OpenAI's list price."""
    for provider_id in (kind, "openai") if kind == "azure" else (kind,):
        provider = _provider(provider_id)
        info = provider.find_model(model) if provider is not None else None
        if info is not None:
            yield info


def _provider(provider_id: str) -> Provider | None:
    return next((provider for provider in shipped_providers if provider.id == provider_id), None)


def _prices_on(info: ModelInfo, kind: str, moment: datetime, service_tier: str | None) -> ModelPrice | None:
    """None for a service tier that the table has no price for: the standard price would look exact and be wrong."""
    if service_tier in STANDARD_TIERS:
        return info.get_prices(moment)
    context = _tier_context(kind, str(service_tier))
    if not any(_applies(variant, moment, context) for variant in info.price_variants or ()):
        return None
    return info.get_prices(moment, context)


def _tier_context(kind: str, service_tier: str) -> dict[str, str]:
    if service_tier == "batch":
        return {"processing": "batch"}
    if service_tier == "fast" and kind == "anthropic":
        return {"speed": "fast"}
    return {"service_tier": service_tier}


def _applies(variant: PriceVariant, moment: datetime, context: dict[str, str]) -> bool:
    on = variant.constraint is None or variant.constraint.active(moment)
    return on and all(context.get(key) == value for key, value in variant.when.items())


def _rates_of(prices: ModelPrice) -> Rates:
    by_bucket = {bucket: _first_price(prices, keys) for bucket, keys in _PRICE_KEYS.items()}
    starts = {tier.start for price in by_bucket.values() if isinstance(price, TieredPrices) for tier in price.tiers}
    tiers = tuple((start, _flat_rates(by_bucket, start + 1)) for start in sorted(starts))
    return replace(_flat_rates(by_bucket, 0), tiers=tiers)


def _first_price(prices: ModelPrice, keys: tuple[str, ...]) -> _Price | None:
    found = (getattr(prices, key) for key in keys)
    return next((price for price in found if price is not None), None)


def _flat_rates(by_bucket: dict[str, _Price | None], prompt_tokens: int) -> Rates:
    """The rates for a prompt of so many tokens."""
    rate = {bucket: _rate(price, prompt_tokens) for bucket, price in by_bucket.items()}
    return Rates(
        uncached_input=rate["uncached_input"],
        cache_read=rate["cache_read"],
        cache_write_5m=rate["cache_write_5m"],
        cache_write_1h=rate["cache_write_1h"],
        output=rate["output"],
        input_audio=rate["input_audio"],
        output_audio=rate["output_audio"],
        input_image=rate["input_image"],
    )


def _rate(price: _Price | None, prompt_tokens: int) -> Decimal | None:
    if isinstance(price, TieredPrices):
        reached = (tier.price for tier in reversed(price.tiers) if prompt_tokens > tier.start)
        price = next(reached, price.base)
    return None if price is None else per_million(decimal_text(price))
