"""Bodies of `/api/v1/prices`. Prices are US dollars for a million tokens, as decimal strings."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.base import Body, Name, Time, Usd
from schemas.http import HttpBody

MAX_ROWS = 1000

PriceTable = Annotated[Name, Field(description="The price table: `openai`, `azure`, `anthropic`, …")]
Multipliers = Annotated[
    dict[Name, Usd], Field(description="What a service tier costs, as a factor of the price: `{'batch': '0.5'}`")
]
Note = Annotated[str, StringConstraints(max_length=1024, pattern=r"^[^\x00]*$")]


class PriceFields(HttpBody):
    """One price. What has no price of its own costs as plain input or output.

    `valid_to` is not included. `above_tokens`: a tier of the price with the same key and period, for prompts of more
    tokens. `withdrawn`: what was recorded for the same before does not count any more in that period.
    """

    provider: PriceTable
    model: Name | None = None
    tenant_id: Name | None = None
    region: Name | None = None
    deployment: Name | None = None
    service_tier: Name | None = None
    valid_from: Time | None = None
    valid_to: Time | None = None
    above_tokens: int = 0
    input_usd_mtok: Usd | None = None
    output_usd_mtok: Usd | None = None
    cache_read_usd_mtok: Usd | None = None
    cache_write_5m_usd_mtok: Usd | None = None
    cache_write_1h_usd_mtok: Usd | None = None
    input_audio_usd_mtok: Usd | None = None
    output_audio_usd_mtok: Usd | None = None
    input_image_usd_mtok: Usd | None = None
    multipliers: Multipliers = Field(default_factory=dict)
    withdrawn: bool = False
    currency: Literal["USD"] = "USD"


class SetPrices(HttpBody):
    """Prices that become one version, or none of them does."""

    prices: Annotated[list[PriceFields], Field(min_length=1, max_length=MAX_ROWS)]
    note: Note = ""


class RecordedPrice(PriceFields):
    """A price with the version that brought it. `daily_from` and `daily_to` are hours of the day in UTC."""

    price_version: str
    recorded_at: Time
    daily_from: str | None = None
    daily_to: str | None = None


class PricePage(Body):
    """Our own prices first; `next_cursor` is null on the last page."""

    prices: list[RecordedPrice]
    next_cursor: str | None


class PriceHistory(Body):
    """Everything that was ever recorded for a model, by version."""

    prices: list[RecordedPrice]


class PriceVersionView(Body):
    """A version of the book; `price_version` is what calls carry. `rows` is said of one that was just recorded."""

    version: int
    price_version: str
    source: Literal["shipped", "set", "import"]
    recorded_at: Time
    note: str
    rows: int | None = None


class PriceVersions(Body):
    """Every version, by number."""

    versions: list[PriceVersionView]


class BucketPrices(Body):
    """US dollars for a million tokens of each bucket; null where no price is known."""

    input_usd_mtok: Usd | None
    output_usd_mtok: Usd | None
    cache_read_usd_mtok: Usd | None
    cache_write_5m_usd_mtok: Usd | None
    cache_write_1h_usd_mtok: Usd | None
    input_audio_usd_mtok: Usd | None
    output_audio_usd_mtok: Usd | None
    input_image_usd_mtok: Usd | None


class PriceTier(BucketPrices):
    """The prices of prompts of more tokens than that."""

    above_tokens: int


class PriceInForce(BucketPrices):
    """What a call costs, and the version that says so."""

    price_version: str
    tiers: list[PriceTier]


class PriceChangeView(Body):
    """What the price of something was and is in a period; null where no price is known."""

    provider: str
    model: str | None
    tenant_id: str | None
    region: str | None
    deployment: str | None
    service_tier: str | None
    valid_from: Time | None
    valid_to: Time | None
    before: PriceInForce | None
    after: PriceInForce | None


class PriceDiff(Body):
    """Where two books have different prices."""

    changes: list[PriceChangeView]
