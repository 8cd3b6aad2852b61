"""Conversations that send their context again and again: what the provider's prompt cache would have saved."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Protocol

from observatory.rules.money import MONEY, times, total
from observatory.rules.pricing import PriceQuery, Prices, Rates
from observatory.rules.recommendations import Recommendation, in_a_month
from observatory.rules.repricing import price_kind

CACHED_FROM_TOKENS = 1024
"""The least prompt that OpenAI and Anthropic cache."""

CACHED_FOR = timedelta(minutes=5)
"""For how long at least they keep it after it was read last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UncachedContext:
    """Calls of a day in conversations, none of which read from a cache. `repeated_tokens` of their `input_tokens` had
    been sent by the call before, within `CACHED_FOR`."""

    tenant_id: str
    provider: str
    model: str
    request_model: str
    service_tier: str | None
    region: str | None
    first_at: datetime
    calls: int
    conversations: int
    input_tokens: int
    repeated_tokens: int
    output_tokens: int


class OfADay(Protocol):
    """Figures of one day that decide which prices count."""

    @property
    def tenant_id(self) -> str:
        """Whose calls."""

    @property
    def service_tier(self) -> str | None:
        """How they were served."""

    @property
    def region(self) -> str | None:
        """Where."""

    @property
    def first_at(self) -> datetime:
        """When the first of them began."""


def cache_context(contexts: Iterable[UncachedContext], prices: Prices, days: int) -> list[Recommendation]:
    """Conversations send their context again with every turn and read none of it from the provider's cache.

    Saved is, day by day at the rates of the book, what repeated tokens cost beyond a cache read, less what the others
    cost more when they are written to the cache. Of tiered prices the lowest tier is taken. Without a rate for cache
    reads there is nothing to say.
    """
    ordered = sorted(contexts, key=lambda one: (one.tenant_id, one.provider, one.model, one.first_at))
    found = []
    for (tenant_id, provider, model), same in groupby(
        ordered, key=lambda one: (one.tenant_id, one.provider, one.model)
    ):
        priced = [(one, saved) for one in same if (saved := _saved_by_caching(one, prices)) is not None]
        if not priced:
            continue
        own = [one for one, _ in priced]
        found.append(
            Recommendation(
                kind="cache_context",
                tenant_id=tenant_id,
                subject={"provider": provider, "model": model},
                saving_usd=in_a_month(total(saved for _, saved in priced), days),
                evidence={
                    "calls": sum(one.calls for one in own),
                    "conversation_days": sum(one.conversations for one in own),
                    "input_tokens": sum(one.input_tokens for one in own),
                    "repeated_tokens": sum(one.repeated_tokens for one in own),
                    "output_tokens": sum(one.output_tokens for one in own),
                },
            )
        )
    return found


def _saved_by_caching(context: UncachedContext, prices: Prices) -> Decimal | None:
    rates = rates_of(prices, context, context.provider, context.model, context.request_model)
    if rates is None or rates.uncached_input is None or rates.cache_read is None:
        return None
    read_again = times(context.repeated_tokens, MONEY.subtract(rates.uncached_input, rates.cache_read))
    written = context.input_tokens - context.repeated_tokens
    write_rate = rates.uncached_input if rates.cache_write_5m is None else rates.cache_write_5m
    return MONEY.subtract(read_again, times(written, MONEY.subtract(write_rate, rates.uncached_input)))


def rates_of(prices: Prices, figures: OfADay, provider: str, model: str, deployment: str) -> Rates | None:
    """The rates of that day for what a deployment or model is called; None where none are known."""
    query = PriceQuery(
        kind=price_kind(provider),
        model=model,
        at=figures.first_at,
        service_tier=figures.service_tier,
        tenant_id=figures.tenant_id,
        region=figures.region,
        deployment=deployment,
    )
    found = prices.rates(query) or prices.rates(replace(query, model=deployment))
    return None if found is None else found[0]
