"""What a call costs: disjoint token buckets times the rate of each, exact to the last decimal."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from observatory.rules.money import MONEY, ZERO, times
from observatory.rules.usage import StoredUsage, input_tokens
from schemas.calls import Usage

STANDARD_TIERS = frozenset({None, "default", "standard", "auto"})
"""The names that providers give to standard service."""


class UnpricedTokensError(Exception):
    """Tokens in a bucket that has no rate: the cost is unknown, which is not 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceQuery:
    """Which price is asked for: that of a model (as the provider names it) at a moment, for whom and how it is served.

    `kind` is the protocol and price table (`openai`, `azure`, `anthropic`); `deployment` the model as it was asked for.
    """

    kind: str
    model: str
    at: datetime
    service_tier: str | None = None
    tenant_id: str | None = None
    region: str | None = None
    deployment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """USD for one token of each bucket; None where no price is known.

    `tiers` are (threshold, rates) by rising threshold: a prompt of more tokens than the threshold, cached ones
    included, is charged at those rates as a whole, output too.
    """

    uncached_input: Decimal | None
    output: Decimal | None
    cache_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None
    input_audio: Decimal | None = None
    output_audio: Decimal | None = None
    input_image: Decimal | None = None
    tiers: tuple[tuple[int, "Rates"], ...] = ()


class Prices(Protocol):
    """Whoever knows prices: a price book, or a holder of the newest one."""

    def rates(self, query: PriceQuery) -> tuple[Rates, str] | None:
        """The rates that apply and the name of their price version; None where no price is known."""

    def cost(self, query: PriceQuery, usage: Usage | StoredUsage) -> tuple[Decimal, str] | None:
        """USD for the usage and the name of the price version; None where a token of it has no known price."""


def cost_of_call(prices: Prices, query: PriceQuery, usage: Usage | StoredUsage) -> tuple[Decimal, str] | None:
    """As `Prices.cost`: by the model that answered, else, for a name without a price, by the one that was asked for."""
    found = prices.cost(query, usage)
    if found is None and query.deployment is not None and query.deployment != query.model:
        found = prices.cost(replace(query, model=query.deployment), usage)
    return found


def cost_of(usage: Usage | StoredUsage, rates: Rates) -> Decimal:
    """USD for the usage. Raises `UnpricedTokensError` for tokens without a rate."""
    applied = _tier_of(usage, rates)
    cost = ZERO
    for bucket, tokens, rate in (
        ("uncached_input", usage.uncached_input_tokens, applied.uncached_input),
        ("cache_read", usage.cache_read_tokens, applied.cache_read),
        ("cache_write_5m", usage.cache_write_5m_tokens, applied.cache_write_5m),
        ("cache_write_1h", usage.cache_write_1h_tokens, applied.cache_write_1h),
        ("output", usage.output_tokens, applied.output),
        ("input_audio", usage.input_audio_tokens, applied.input_audio),
        ("output_audio", usage.output_audio_tokens, applied.output_audio),
        ("input_image", usage.input_image_tokens, applied.input_image),
    ):
        if tokens:
            if rate is None:
                raise UnpricedTokensError(f"{tokens} {bucket} tokens have no rate")
            cost = MONEY.add(cost, times(tokens, rate))
    return cost


def _tier_of(usage: Usage | StoredUsage, rates: Rates) -> Rates:
    if not rates.tiers:
        return rates
    prompt = input_tokens(usage)
    return next((tier for above, tier in reversed(rates.tiers) if prompt > above), rates)
