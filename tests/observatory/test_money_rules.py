"""The rules of money as properties: over whatever a provider may say, and over every price that is shipped."""

from collections.abc import Callable, Mapping
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from observatory.adapters.prices import shipped_book
from observatory.rules.pricing import Rates, UnpricedTokensError, cost_of
from observatory.rules.usage import (
    MAX_TOKENS,
    UsageError,
    anthropic_usage,
    anthropic_usage_so_far,
    input_tokens,
    openai_responses_usage,
    openai_usage,
)
from schemas.calls import Usage

Raw = dict[str, object]
BUCKETS = tuple(name for name in Usage.model_fields if name != "reasoning_tokens")


def shipped_rates() -> list[Rates]:
    """Every price of the providers that we call: each model, period and service tier once."""
    prices = shipped_book().shipped
    assert prices is not None
    models = [model for kind in ("openai", "azure", "anthropic") for model in prices.models(kind)]
    found = [span.rates for model in models for spans in model.spans.values() for span in spans]
    return [rates for rates in dict.fromkeys(found) if rates is not None and rates.output is not None]


RATES = shipped_rates()
TIERED = [rates for rates in RATES if rates.tiers]
LOWEST_THRESHOLD = min(threshold for rates in TIERED for threshold, _ in rates.tiers)
HIGHEST_THRESHOLD = max(threshold for rates in TIERED for threshold, _ in rates.tiers)

numbers = st.integers(0, 40) | st.integers(-3, -1) | st.sampled_from([None, MAX_TOKENS, MAX_TOKENS + 1, 2.0, "7", True])


def details(*names: str) -> st.SearchStrategy[object]:
    """An object with some of the counts; now and then none, or something else."""
    return st.none() | st.fixed_dictionaries({}, optional=dict.fromkeys(names, numbers)) | st.just(3)


said_by_chat = st.fixed_dictionaries(
    {"prompt_tokens": numbers},
    optional={
        "completion_tokens": numbers,
        "prompt_tokens_details": details(
            "cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens", "text_tokens"
        ),
        "completion_tokens_details": details("reasoning_tokens", "audio_tokens", "text_tokens"),
    },
)
said_by_responses = st.fixed_dictionaries(
    {"input_tokens": numbers, "output_tokens": numbers},
    optional={
        "input_tokens_details": details("cached_tokens", "cache_write_tokens"),
        "output_tokens_details": details("reasoning_tokens"),
        "total_tokens": numbers,
    },
)
said_by_messages = st.fixed_dictionaries(
    {"input_tokens": numbers, "output_tokens": numbers},
    optional={
        "cache_read_input_tokens": numbers,
        "cache_creation_input_tokens": numbers,
        "cache_creation": details("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"),
        "output_tokens_details": details("thinking_tokens"),
    },
)


def output_of(usage: Usage) -> int:
    return usage.output_tokens + (usage.output_audio_tokens or 0)


def counted(raw: Mapping[str, object], *names: str) -> int:
    """The sum of the counts, all of which must be good ones."""
    found = [raw.get(name) or 0 for name in names]
    assert all(type(count) is int and 0 <= count <= MAX_TOKENS for count in found)
    return sum(count for count in found if isinstance(count, int))


def refused(read: Callable[[Raw], Usage], raw: Raw) -> bool:
    """Whether the numbers are refused; by nothing but a `UsageError`."""
    try:
        read(raw)
    except UsageError:
        return True
    return False


@settings(max_examples=400)
@given(said_by_chat)
@example({"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 9, "image_tokens": 8, "text_tokens": 2}})
def test_whatever_chat_says_is_refused_or_adds_up(raw: Raw) -> None:
    if not refused(openai_usage, raw):
        usage = openai_usage(raw)
        assert input_tokens(usage) == counted(raw, "prompt_tokens")
        assert output_of(usage) == counted(raw, "completion_tokens")
        assert all((tokens or 0) >= 0 for _, tokens in usage)


@settings(max_examples=400)
@given(said_by_responses)
def test_whatever_responses_say_is_refused_or_adds_up(raw: Raw) -> None:
    if not refused(openai_responses_usage, raw):
        usage = openai_responses_usage(raw)
        assert input_tokens(usage) == counted(raw, "input_tokens")
        assert output_of(usage) == counted(raw, "output_tokens")
        assert raw.get("total_tokens") in (None, input_tokens(usage) + output_of(usage))


@settings(max_examples=400)
@given(said_by_messages)
def test_whatever_messages_say_is_refused_or_adds_up(raw: Raw) -> None:
    if not refused(anthropic_usage, raw):
        usage = anthropic_usage(raw)
        whole = counted(raw, "input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        without_the_sum = "cache_creation_input_tokens" not in raw
        writes = usage.cache_write_5m_tokens + usage.cache_write_1h_tokens if without_the_sum else 0
        assert input_tokens(usage) == whole + writes
        assert output_of(usage) == counted(raw, "output_tokens")


parts = st.integers(0, 10**6)


@given(parts, parts, parts, st.integers(1, 10**6))
def test_a_part_of_more_than_the_whole_is_refused(cached: int, written: int, audio: int, over: int) -> None:
    taken = {"cached_tokens": cached, "cache_write_tokens": written, "audio_tokens": audio}
    most = cached + written + audio
    assert openai_usage({"prompt_tokens": most, "prompt_tokens_details": taken}).uncached_input_tokens == 0
    if most >= over:
        assert refused(openai_usage, {"prompt_tokens": most - over, "prompt_tokens_details": taken})


@given(parts, parts, st.integers(-(10**6), 10**6))
def test_a_total_is_both_counts_or_a_contradiction(tokens_in: int, tokens_out: int, off: int) -> None:
    total = {"total_tokens": tokens_in + tokens_out + off}
    chat: Raw = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, **total}
    response: Raw = {"input_tokens": tokens_in, "output_tokens": tokens_out, **total}
    assert refused(openai_usage, chat) == refused(openai_responses_usage, response) == (off != 0)


@given(parts, parts, parts, parts, st.booleans())
def test_the_totals_of_a_stream_replace_each_other(
    plain: int, first: int, more: int, output: int, hour_long: bool
) -> None:
    lifetime = "ephemeral_1h_input_tokens" if hour_long else "ephemeral_5m_input_tokens"
    begin: Raw = {"input_tokens": plain, "output_tokens": 1, "cache_creation_input_tokens": first}
    begin["cache_creation"] = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0, lifetime: first}
    later: Raw = {"output_tokens": output, "cache_creation_input_tokens": first + more}
    once = anthropic_usage_so_far(begin, later)
    usage = anthropic_usage(once)
    assert input_tokens(usage) == plain + first + more
    assert (usage.cache_write_1h_tokens > 0) == (hour_long and first > 0)
    assert usage.output_tokens == output
    assert anthropic_usage(anthropic_usage_so_far(once, later)) == usage


def usages(most: int) -> st.SearchStrategy[Usage]:
    """Usages with up to `most` tokens in each bucket."""
    return st.builds(Usage, **dict.fromkeys(BUCKETS, st.integers(0, most)))


def plus(one: Usage, other: Usage) -> Usage:
    """Both together, bucket by bucket."""
    return Usage(**{name: (getattr(one, name) or 0) + (getattr(other, name) or 0) for name in BUCKETS})


def multiplied(usage: Usage, factor: int) -> Usage:
    return Usage(**{name: (getattr(usage, name) or 0) * factor for name in BUCKETS})


def cost(usage: Usage, rates: Rates) -> Decimal | None:
    """None where a token has no price."""
    try:
        return cost_of(usage, rates)
    except UnpricedTokensError:
        return None


few = usages(LOWEST_THRESHOLD // 200)
"""So few that a dozen of them are in no tier."""


def test_the_prices_that_these_properties_hold_for_are_many() -> None:
    assert len(RATES) > 150
    assert len(TIERED) > 20


@given(few, st.integers(0, 12), st.sampled_from(RATES))
def test_cost_is_linear_in_the_tokens_within_a_tier(usage: Usage, factor: int, rates: Rates) -> None:
    found = cost(usage, rates)
    if found is not None:
        assert cost(multiplied(usage, factor), rates) == found * factor


@given(few, few, st.sampled_from(RATES))
def test_cost_is_additive_within_a_tier(one: Usage, other: Usage, rates: Rates) -> None:
    found = cost(one, rates), cost(other, rates)
    if found[0] is not None and found[1] is not None:
        assert cost(plus(one, other), rates) == found[0] + found[1]


@given(usages(10**7), usages(10**7), st.sampled_from(TIERED))
def test_cost_is_additive_above_every_threshold(one: Usage, other: Usage, rates: Rates) -> None:
    above = Usage(uncached_input_tokens=HIGHEST_THRESHOLD + 1)
    long, longer = plus(one, above), plus(other, above)
    assert cost_of(plus(long, longer), rates) == cost_of(long, rates) + cost_of(longer, rates)


@pytest.mark.parametrize("bucket", BUCKETS)
@given(usage=few, more=st.integers(0, 100), rates=st.sampled_from(RATES))
def test_more_tokens_never_cost_less_within_a_tier(bucket: str, usage: Usage, more: int, rates: Rates) -> None:
    before, after = cost(usage, rates), cost(plus(usage, Usage(**{bucket: more})), rates)
    assert before is None or after is None or before <= after


@given(usages(10**6), usages(10**6), st.sampled_from(TIERED))
def test_more_tokens_never_cost_less_above_every_threshold(usage: Usage, more: Usage, rates: Rates) -> None:
    long = plus(usage, Usage(uncached_input_tokens=HIGHEST_THRESHOLD + 1))
    assert cost_of(long, rates) <= cost_of(plus(long, more), rates)


@given(few, st.sampled_from(RATES))
def test_a_cost_is_the_sum_of_its_buckets(usage: Usage, rates: Rates) -> None:
    whole = cost(usage, rates)
    if whole is not None:
        singles = [Usage(**{bucket: getattr(usage, bucket)}) for bucket in BUCKETS]
        assert whole == sum((cost_of(single, rates) for single in singles), Decimal(0))


@given(few, st.integers(0, 10**4), st.sampled_from(RATES))
def test_reasoning_costs_nothing_beside_the_output(usage: Usage, reasoning: int, rates: Rates) -> None:
    thought = usage.model_copy(update={"reasoning_tokens": min(reasoning, usage.output_tokens)})
    assert cost(thought, rates) == cost(usage, rates)
