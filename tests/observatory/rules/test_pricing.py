from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.rules.money import per_million
from observatory.rules.pricing import Rates, UnpricedTokensError, cost_of
from schemas.calls import Usage

SONNET_LONG = Rates(
    uncached_input=per_million("6"),
    output=per_million("22.5"),
    cache_read=per_million("0.6"),
    cache_write_5m=per_million("7.5"),
    cache_write_1h=per_million("12"),
)
SONNET = Rates(
    uncached_input=per_million("3"),
    output=per_million("15"),
    cache_read=per_million("0.3"),
    cache_write_5m=per_million("3.75"),
    cache_write_1h=per_million("6"),
    tiers=((200_000, SONNET_LONG),),
)
FLAT = replace(SONNET, tiers=())

counts = st.integers(0, 10**6)
usages = st.builds(
    Usage,
    uncached_input_tokens=counts,
    cache_read_tokens=counts,
    cache_write_5m_tokens=counts,
    cache_write_1h_tokens=counts,
    output_tokens=counts,
)


def test_each_bucket_is_charged_at_its_own_rate() -> None:
    usage = Usage(
        uncached_input_tokens=1000,
        cache_read_tokens=2000,
        cache_write_5m_tokens=3000,
        cache_write_1h_tokens=4000,
        output_tokens=500,
    )
    # 0.003 + 0.0006 + 0.01125 + 0.024 + 0.0075
    assert cost_of(usage, SONNET) == Decimal("0.04635")


def test_reasoning_is_output_and_is_not_charged_again() -> None:
    assert cost_of(Usage(output_tokens=10, reasoning_tokens=10), SONNET) == cost_of(Usage(output_tokens=10), SONNET)


def test_audio_and_images_have_their_own_rates() -> None:
    rates = replace(
        FLAT,
        input_audio=per_million("40"),
        output_audio=per_million("80"),
        input_image=per_million("5"),
    )
    usage = Usage(input_audio_tokens=110, output_audio_tokens=70, input_image_tokens=100)
    assert cost_of(usage, rates) == Decimal("0.0105")  # 0.0044 + 0.0056 + 0.0005


@pytest.mark.parametrize(
    ("prompt", "cost"),
    [(200_000, "0.615"), (200_001, "1.222506")],
)
def test_a_prompt_over_the_threshold_is_charged_at_the_tier_as_a_whole(prompt: int, cost: str) -> None:
    assert cost_of(Usage(uncached_input_tokens=prompt, output_tokens=1000), SONNET) == Decimal(cost)


def test_cached_tokens_count_towards_the_threshold() -> None:
    usage = Usage(uncached_input_tokens=1, cache_read_tokens=100_000, cache_write_1h_tokens=100_000)
    assert cost_of(usage, SONNET) == Decimal("1.260006")  # 0.000006 + 0.06 + 1.2


def test_the_highest_tier_that_is_passed_applies() -> None:
    rates = replace(FLAT, tiers=((10, replace(FLAT, uncached_input=per_million("4"))), (20, SONNET_LONG)))
    assert [cost_of(Usage(uncached_input_tokens=n), rates) / n for n in (10, 20, 21)] == [
        per_million("3"),
        per_million("4"),
        per_million("6"),
    ]


def test_tokens_without_a_rate_have_no_cost_rather_than_none() -> None:
    with pytest.raises(UnpricedTokensError, match="7 output tokens"):
        cost_of(Usage(uncached_input_tokens=1, output_tokens=7), replace(FLAT, output=None))


def test_a_bucket_without_a_rate_does_not_matter_while_it_is_empty() -> None:
    assert cost_of(Usage(uncached_input_tokens=1), replace(FLAT, output=None)) == Decimal("0.000003")


def test_no_tokens_cost_nothing() -> None:
    assert cost_of(Usage(), SONNET) == 0


@given(usages, usages)
def test_without_tiers_the_cost_of_two_calls_is_the_cost_of_their_sum(one: Usage, other: Usage) -> None:
    both = Usage(
        uncached_input_tokens=one.uncached_input_tokens + other.uncached_input_tokens,
        cache_read_tokens=one.cache_read_tokens + other.cache_read_tokens,
        cache_write_5m_tokens=one.cache_write_5m_tokens + other.cache_write_5m_tokens,
        cache_write_1h_tokens=one.cache_write_1h_tokens + other.cache_write_1h_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
    )
    assert cost_of(one, FLAT) + cost_of(other, FLAT) == cost_of(both, FLAT)


@given(usages, st.integers(0, 1000))
def test_without_tiers_the_cost_is_linear_in_the_tokens(usage: Usage, factor: int) -> None:
    buckets = usage.model_dump(exclude_none=True)
    multiplied = Usage(**{name: tokens * factor for name, tokens in buckets.items()})
    assert cost_of(multiplied, FLAT) == cost_of(usage, FLAT) * factor
