"""A row of the price book, as it stands in a price file and in the database, and the rates that rows add up to.

Prices are USD for a million tokens, exact. A row with `above_tokens` is a tier of the row with the same key and period:
a prompt of more tokens than that, cached ones included, is charged at it as a whole, output too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, time
from decimal import Decimal
from typing import NamedTuple

from observatory.rules.money import MONEY, per_million
from observatory.rules.pricing import Rates
from schemas.base import decimal_text

PRICE_SUFFIX = "_usd_mtok"


class PriceKey(NamedTuple):
    """What a price is for; None: any. `model` and `service_tier` None are any model and standard service."""

    provider: str
    model: str | None
    tenant_id: str | None
    region: str | None
    deployment: str | None
    service_tier: str | None

    def __str__(self) -> str:
        parts = zip(("tenant", "region", "deployment", "service tier"), self[2:], strict=True)
        return " ".join([f"{self.provider}/{self.model or '*'}", *(f"{n} {v}" for n, v in parts if v is not None)])


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRow:
    """One price of the buckets that it names; see `resolved` for those that it does not.

    `multipliers` are (service tier, factor), sorted. `daily_from` and `daily_to` are hours of the day in UTC. What is
    `withdrawn` has no prices. `list_position` and `list_match` (JSON) say which model of a shipped list it belongs to.
    """

    provider: str
    model: str | None = None
    tenant_id: str | None = None
    region: str | None = None
    deployment: str | None = None
    service_tier: str | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    daily_from: time | None = None
    daily_to: time | None = None
    above_tokens: int = 0
    input_usd_mtok: Decimal | None = None
    output_usd_mtok: Decimal | None = None
    cache_read_usd_mtok: Decimal | None = None
    cache_write_5m_usd_mtok: Decimal | None = None
    cache_write_1h_usd_mtok: Decimal | None = None
    input_audio_usd_mtok: Decimal | None = None
    output_audio_usd_mtok: Decimal | None = None
    input_image_usd_mtok: Decimal | None = None
    multipliers: tuple[tuple[str, Decimal], ...] = ()
    withdrawn: bool = False
    list_position: int | None = None
    list_match: str | None = None

    @property
    def key(self) -> PriceKey:
        """Names of models are compared in lower case."""
        model = None if self.model is None else self.model.lower()
        return PriceKey(self.provider, model, self.tenant_id, self.region, self.deployment, self.service_tier)

    @property
    def named_prices(self) -> dict[str, Decimal]:
        """The prices that the row names, by field."""
        found = {name: getattr(self, name) for name in PRICE_FIELDS}
        return {name: price for name, price in found.items() if price is not None}


PRICE_FIELDS = tuple(field.name for field in fields(PriceRow) if field.name.endswith(PRICE_SUFFIX))


def resolved(row: PriceRow) -> PriceRow:
    """The row with a price for every bucket that its provider charges.

    What has no price of its own is charged as plain input or output, one-hour cache writes as five-minute ones.
    """
    plain, output, write = row.input_usd_mtok, row.output_usd_mtok, _or(row.cache_write_5m_usd_mtok, row.input_usd_mtok)
    return replace(
        row,
        cache_read_usd_mtok=_or(row.cache_read_usd_mtok, plain),
        cache_write_5m_usd_mtok=write,
        cache_write_1h_usd_mtok=_or(row.cache_write_1h_usd_mtok, write),
        input_audio_usd_mtok=_or(row.input_audio_usd_mtok, plain),
        output_audio_usd_mtok=_or(row.output_audio_usd_mtok, output),
        input_image_usd_mtok=_or(row.input_image_usd_mtok, plain),
    )


def _or(price: Decimal | None, other: Decimal | None) -> Decimal | None:
    return other if price is None else price


def rates_of(rows: Sequence[PriceRow], factor: Decimal | None = None) -> Rates:
    """USD for one token: the first row's prices, with the others as its tiers; times the factor, exactly."""
    base, *tiers = (_flat_rates(resolved(row), factor) for row in rows)
    thresholds = [row.above_tokens for row in rows[1:]]
    return replace(base, tiers=tuple(sorted(zip(thresholds, tiers, strict=True), key=lambda tier: tier[0])))


def _flat_rates(row: PriceRow, factor: Decimal | None) -> Rates:
    def rate(price: Decimal | None) -> Decimal | None:
        if price is None:
            return None
        return per_million(decimal_text(price if factor is None else MONEY.multiply(price, factor)))

    return Rates(
        uncached_input=rate(row.input_usd_mtok),
        output=rate(row.output_usd_mtok),
        cache_read=rate(row.cache_read_usd_mtok),
        cache_write_5m=rate(row.cache_write_5m_usd_mtok),
        cache_write_1h=rate(row.cache_write_1h_usd_mtok),
        input_audio=rate(row.input_audio_usd_mtok),
        output_audio=rate(row.output_audio_usd_mtok),
        input_image=rate(row.input_image_usd_mtok),
    )
