from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from genai_prices import Usage as GenaiUsage
from genai_prices import calc_price
from genai_prices.data import providers as shipped_providers
from genai_prices.types import ModelInfo, ModelPrice, StartDateConstraint, TimeOfDateConstraint
from hypothesis import given
from hypothesis import strategies as st

from observatory.adapters.prices import SHIPPED_VERSION, shipped_book
from observatory.rules.pricing import PriceQuery
from observatory.rules.usage import input_tokens
from schemas.calls import Usage

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
BOOK = shipped_book()

MODELS = [
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-mini-2024-07-18"),
    ("openai", "gpt-4.1-nano"),
    ("openai", "o3"),
    ("openai", "gpt-3.5-turbo"),
    ("openai", "gpt-5.4"),
    ("anthropic", "claude-sonnet-4-5-20250929"),
    ("anthropic", "claude-haiku-4-5"),
    ("anthropic", "claude-opus-4-5"),
    ("azure", "gpt-4o-mini"),
    ("azure", "o4-mini"),
]
USAGES = [
    Usage(uncached_input_tokens=1000, output_tokens=100),
    Usage(uncached_input_tokens=400, cache_read_tokens=600, output_tokens=100, reasoning_tokens=60),
    Usage(uncached_input_tokens=1, cache_read_tokens=2, cache_write_5m_tokens=3, output_tokens=7),
    Usage(uncached_input_tokens=123_456, cache_read_tokens=98_765, output_tokens=4321),
    Usage(uncached_input_tokens=300_001, output_tokens=1),
    Usage(),
]

TIERS = {
    "batch": {"processing": "batch"},
    "priority": {"service_tier": "priority"},
    "flex": {"service_tier": "flex"},
    "fast": {"service_tier": "fast"},
}


def cost_at(
    kind: str, model: str, usage: Usage, at: datetime, service_tier: str | None = None
) -> tuple[Decimal, str] | None:
    return BOOK.cost(PriceQuery(kind=kind, model=model, at=at, service_tier=service_tier), usage)


def theirs(kind: str, model: str, usage: Usage, at: datetime, context: dict[str, str] | None = None) -> Decimal:
    """The same by genai-prices' own arithmetic, whose input and output include the cached and the audio tokens."""
    counted = GenaiUsage(
        input_tokens=input_tokens(usage),
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_5m_tokens + usage.cache_write_1h_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        output_tokens=usage.output_tokens + (usage.output_audio_tokens or 0),
        input_audio_tokens=usage.input_audio_tokens or 0,
        output_audio_tokens=usage.output_audio_tokens or 0,
    )
    return calc_price(counted, model, provider_id=kind, genai_request_timestamp=at, price_context=context).total_price


@pytest.mark.parametrize("usage", USAGES)
@pytest.mark.parametrize(("kind", "model"), MODELS)
def test_our_cost_is_that_of_genai_prices_to_the_last_digit(kind: str, model: str, usage: Usage) -> None:
    assert cost_at(kind, model, usage, NOW) == (theirs(kind, model, usage, NOW), SHIPPED_VERSION)


@pytest.mark.parametrize("at", [NOW, datetime(2025, 1, 1, tzinfo=UTC)])
def test_no_model_of_the_shipped_table_is_costed_otherwise(at: datetime) -> None:
    audio = Usage(uncached_input_tokens=3, output_tokens=1, input_audio_tokens=10, output_audio_tokens=20)
    compared = 0
    for provider in shipped_providers:
        for model in provider.models if provider.id in ("openai", "azure", "anthropic") else ():
            for usage in (*USAGES, audio):
                found = cost_at(provider.id, model.id, usage, at)
                if found is not None:
                    assert found[0] == theirs(provider.id, model.id, usage, at), (model.id, usage)
                    compared += 1
    assert compared > 700


def moments_of(model: ModelInfo) -> list[datetime]:
    """Now, and the last and the first day of every price of the model; by the hour where prices have hours."""
    conditional = [] if isinstance(model.prices, ModelPrice) else model.prices
    constraints = [price.constraint for price in (*conditional, *(model.price_variants or ()))]
    firsts = [constraint.start_date for constraint in constraints if isinstance(constraint, StartDateConstraint)]
    days = [NOW.date(), *(first - timedelta(days=back) for first in firsts for back in (0, 1))]
    hours = range(24) if any(isinstance(c, TimeOfDateConstraint) for c in constraints) else [0]
    return [datetime(day.year, day.month, day.day, hour, tzinfo=UTC) for day in days for hour in hours]


def test_every_model_that_is_shipped_costs_at_every_time_what_genai_prices_says() -> None:
    usages = [USAGES[3], USAGES[4], Usage(cache_read_tokens=7, cache_write_5m_tokens=5, cache_write_1h_tokens=3)]
    compared = 0
    for provider in shipped_providers:
        for model in provider.models:
            for at in moments_of(model):
                for usage in usages:
                    found = cost_at(provider.id, model.id, usage, at)
                    if found is None:
                        assert not is_sold_by_the_token(provider.find_model(model.id), at), (provider.id, model.id, at)
                    else:
                        assert found[0] == theirs(provider.id, model.id, usage, at), (provider.id, model.id, at, usage)
                        compared += 1
    assert compared > 7000


def is_sold_by_the_token(model: ModelInfo | None, at: datetime) -> bool:
    """Whether it has a price for tokens in and out, and no fee besides."""
    if model is None:
        return False
    prices = model.get_prices(at)
    fees = (prices.requests_kcount, prices.output_reasoning_mtok, prices.output_citation_mtok)
    return prices.input_mtok is not None and prices.output_mtok is not None and fees == (None, None, None)


def test_every_service_tier_that_is_shipped_costs_what_genai_prices_says() -> None:
    compared = 0
    for provider in shipped_providers:
        for model in provider.models if provider.id in ("openai", "anthropic", "azure") else ():
            for tier, context in TIERS.items():
                offered = any(variant.when == context for variant in model.price_variants or ())
                for at in moments_of(model) if offered else ():
                    found = cost_at(provider.id, model.id, USAGES[4], at, tier)
                    if found is not None:
                        assert found[0] == theirs(provider.id, model.id, USAGES[4], at, context), (model.id, tier)
                        compared += 1
    assert compared > 200


@pytest.mark.parametrize("kind", ["openai", "anthropic", "azure"])
def test_the_book_knows_a_model_by_the_names_that_genai_prices_knows_it_by(kind: str) -> None:
    provider, ours = next(one for one in shipped_providers if one.id == kind), BOOK.shipped
    assert ours is not None
    for name in {variation for model in provider.models for variation in variations(model.id)}:
        found, expected = ours.find(kind, name), provider.find_model(name)
        assert (found and found.name) == (expected and expected.id), name


def variations(model: str) -> list[str]:
    ends = ["-2025-12-11", "-20251211", "-20251341", "-latest", ":free", "-mini"]
    return [model, model.upper(), f"ft:{model}:org", f"models/{model}", *(model + end for end in ends)]


@given(
    st.sampled_from([model for model in MODELS if model[0] == "anthropic"]),
    st.builds(
        Usage,
        uncached_input_tokens=st.integers(0, 400_000),
        cache_read_tokens=st.integers(0, 400_000),
        cache_write_5m_tokens=st.integers(0, 400_000),
        cache_write_1h_tokens=st.integers(0, 400_000),
        output_tokens=st.integers(0, 64_000),
    ),
)
def test_all_cache_lifetimes_cost_what_genai_prices_says(model: tuple[str, str], usage: Usage) -> None:
    found = cost_at(*model, usage, NOW)
    assert found is not None
    assert found[0] == theirs(*model, usage, NOW)


@pytest.mark.parametrize(
    ("kind", "model", "usage", "cost"),
    [
        # 400 * 2.5 + 600 * 1.25 + 100 * 10 = 2750 dollars for a million
        (
            "openai",
            "gpt-4o",
            Usage(uncached_input_tokens=400, cache_read_tokens=600, output_tokens=100),
            "0.00275",
        ),
        # 374 * 0.15 + 44 * 0.6 = 82.5
        ("openai", "gpt-4o-mini", Usage(uncached_input_tokens=374, output_tokens=44), "0.0000825"),
        # 200,001 * 6 + 1000 * 22.5 = 1,222,506: the whole request moves to the tier
        (
            "anthropic",
            "claude-sonnet-4-5",
            Usage(uncached_input_tokens=200_001, output_tokens=1000),
            "1.222506",
        ),
        # 10 * 1 + 20 * 0.1 + 30 * 1.25 + 40 * 2 + 50 * 5 = 379.5
        (
            "anthropic",
            "claude-haiku-4-5",
            Usage(
                uncached_input_tokens=10,
                cache_read_tokens=20,
                cache_write_5m_tokens=30,
                cache_write_1h_tokens=40,
                output_tokens=50,
            ),
            "0.0003795",
        ),
        # Azure has no row of its own for this one: OpenAI's 2 and 8
        ("azure", "gpt-4.1-2025-04-14", Usage(uncached_input_tokens=1000, output_tokens=1000), "0.01"),
        # 20 * 2.5 + 110 * 32 + 25 * 10 + 70 * 64 = 8300
        (
            "openai",
            "gpt-audio",
            Usage(uncached_input_tokens=20, output_tokens=25, input_audio_tokens=110, output_audio_tokens=70),
            "0.0083",
        ),
    ],
)
def test_costs_computed_by_hand(kind: str, model: str, usage: Usage, cost: str) -> None:
    assert cost_at(kind, model, usage, NOW) == (Decimal(cost), SHIPPED_VERSION)


def test_the_price_is_that_of_the_day_in_utc() -> None:
    usage = Usage(uncached_input_tokens=1000, output_tokens=1500)
    before = cost_at("openai", "o3", usage, datetime.fromisoformat("2025-06-10T01:59:59+02:00"))
    after = cost_at("openai", "o3", usage, datetime.fromisoformat("2025-06-10T02:00:00+02:00"))
    assert before == (Decimal("0.07"), SHIPPED_VERSION)  # 10 and 40 dollars for a million
    assert after == (Decimal("0.014"), SHIPPED_VERSION)  # 2 and 8


@pytest.mark.parametrize(
    ("tier", "cost"),
    [(None, "0.75"), ("default", "0.75"), ("standard", "0.75"), ("priority", "1.25"), ("batch", "0.375")],
)
def test_a_service_tier_is_part_of_the_price(tier: str | None, cost: str) -> None:
    usage = Usage(uncached_input_tokens=1_000_000, output_tokens=1_000_000)
    assert cost_at("openai", "gpt-4o-mini", usage, NOW, tier) == (Decimal(cost), SHIPPED_VERSION)


@pytest.mark.parametrize(
    ("kind", "model", "tier"),
    [
        ("openai", "sim-unpriced", None),
        ("openai", "gpt-4o-mini", "scale"),
        ("anthropic", "claude-haiku-4-5", "priority"),
        ("anthropic", "gpt-4o", None),
        ("openai", "claude-haiku-4-5", None),
        ("nobody", "gpt-4o", None),
        ("openai", "", None),
        ("azure", "phi-4-reasoning:free", None),
    ],
)
def test_what_has_no_known_price_has_no_cost(kind: str, model: str, tier: str | None) -> None:
    assert cost_at(kind, model, Usage(uncached_input_tokens=1), NOW, tier) is None


def test_output_of_a_model_that_sells_none_has_no_cost() -> None:
    assert cost_at("openai", "text-embedding-3-small", Usage(uncached_input_tokens=1000), NOW) is not None
    assert cost_at("openai", "text-embedding-3-small", Usage(output_tokens=1), NOW) is None


def test_a_price_before_its_tier_began_is_unknown() -> None:
    usage = Usage(uncached_input_tokens=1)
    assert cost_at("openai", "gpt-4o-mini", usage, datetime(2025, 1, 1, tzinfo=UTC), "batch") is None
