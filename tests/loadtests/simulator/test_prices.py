"""The hand-typed prices agree with the public ones, and the arithmetic is exact."""

from datetime import UTC, datetime
from decimal import Decimal

import genai_prices
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.simulator.prices import MODELS, Usage, cost_pico, pico_per_token, usd

_PRICED = [(provider, name) for provider, rows in MODELS.items() for name in rows if name != "sim-unpriced"]
_AMOUNTS = [
    Usage(uncached_input_tokens=1_000_000),
    Usage(uncached_input_tokens=1_001, output_tokens=337),
    Usage(uncached_input_tokens=200_000, output_tokens=1),
    Usage(uncached_input_tokens=200_001, output_tokens=1),
    Usage(uncached_input_tokens=100_000, cache_read_tokens=90_001, output_tokens=7, reasoning_tokens=3),
    Usage(uncached_input_tokens=3, cache_write_5m_tokens=1_003, cache_write_1h_tokens=709, output_tokens=11),
    Usage(uncached_input_tokens=100_000, cache_read_tokens=60_000, cache_write_5m_tokens=40_001, output_tokens=7),
    Usage(uncached_input_tokens=1, cache_read_tokens=200_000, cache_write_1h_tokens=17, output_tokens=3),
]


def _public_cost(provider: str, name: str, usage: Usage) -> Decimal:
    public = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_5m_tokens + usage.cache_write_1h_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        output_tokens=usage.output_tokens,
    )
    now = datetime.now(UTC)
    price = genai_prices.calc_price(public, name, provider_id=provider, genai_request_timestamp=now)
    return price.total_price


@pytest.mark.parametrize(("provider", "name"), _PRICED)
@pytest.mark.parametrize("usage", _AMOUNTS)
def test_every_row_costs_what_the_public_prices_say_today(provider: str, name: str, usage: Usage) -> None:
    model = MODELS[provider][name]
    if model.operation == "embeddings":
        usage = Usage(uncached_input_tokens=usage.uncached_input_tokens)
    if model.price.cache_read is None:
        usage = usage._replace(cache_read_tokens=0)
    if model.price.cache_write_5m is None:
        usage = usage._replace(cache_write_5m_tokens=0, cache_write_1h_tokens=0)
    assert Decimal(usd(cost_pico(model, usage))) == _public_cost(provider, name, usage)


def test_sim_unpriced_is_in_no_public_table() -> None:
    for provider in MODELS:
        with pytest.raises(LookupError):
            genai_prices.calc_price(genai_prices.Usage(input_tokens=1), "sim-unpriced", provider_id=provider)


def test_tokens_that_a_model_does_not_sell_are_refused() -> None:
    with pytest.raises(ValueError, match="does not sell"):
        cost_pico(MODELS["openai"]["gpt-3.5-turbo"], Usage(uncached_input_tokens=1, cache_read_tokens=1))


def test_a_price_finer_than_a_picodollar_a_token_is_refused() -> None:
    with pytest.raises(ValueError, match="decimals"):
        pico_per_token("0.0000001")


@given(st.integers(0, 10**27))
def test_usd_is_exact_and_plain(pico: int) -> None:
    assert Decimal(usd(pico)) == Decimal(pico).scaleb(-12)
    assert set(usd(pico)) <= set("0123456789.")
    assert not usd(pico).endswith(".")
