"""The payloads are as the providers send them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.rules.usage import (
    UsageError,
    anthropic_usage,
    input_tokens,
    openai_usage,
    with_output_of_at_least,
)
from schemas.calls import Usage

OPENAI_CACHED = {
    "prompt_tokens": 2006,
    "completion_tokens": 300,
    "total_tokens": 2306,
    "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 192,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}
OPENAI_AUDIO = {
    "prompt_tokens": 130,
    "completion_tokens": 95,
    "total_tokens": 225,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 110, "text_tokens": 20},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 70, "text_tokens": 25},
}
OPENAI_CACHE_WRITE = {
    "prompt_tokens": 5000,
    "completion_tokens": 10,
    "total_tokens": 5010,
    "prompt_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 3000},
}
OPENAI_EMBEDDINGS = {"prompt_tokens": 8, "total_tokens": 8}
AZURE_OLD = {"prompt_tokens": 57, "completion_tokens": 40, "total_tokens": 97, "prompt_tokens_details": None}

ANTHROPIC_BOTH_CACHES = {
    "input_tokens": 21,
    "cache_creation_input_tokens": 556,
    "cache_read_input_tokens": 188_086,
    "cache_creation": {"ephemeral_5m_input_tokens": 456, "ephemeral_1h_input_tokens": 100},
    "output_tokens": 393,
    "service_tier": "standard",
}
ANTHROPIC_WITHOUT_BREAKDOWN = {
    "input_tokens": 21,
    "cache_creation_input_tokens": 556,
    "cache_read_input_tokens": None,
    "cache_creation": None,
    "output_tokens": 393,
}


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        (
            OPENAI_CACHED,
            Usage(uncached_input_tokens=86, cache_read_tokens=1920, output_tokens=300, reasoning_tokens=192),
        ),
        (
            OPENAI_AUDIO,
            Usage(uncached_input_tokens=20, output_tokens=25, input_audio_tokens=110, output_audio_tokens=70),
        ),
        (
            OPENAI_CACHE_WRITE,
            Usage(uncached_input_tokens=976, cache_read_tokens=1024, cache_write_5m_tokens=3000, output_tokens=10),
        ),
        (OPENAI_EMBEDDINGS, Usage(uncached_input_tokens=8)),
        (AZURE_OLD, Usage(uncached_input_tokens=57, output_tokens=40)),
    ],
)
def test_openai_prompt_tokens_are_split_into_disjoint_buckets(raw: dict[str, object], usage: Usage) -> None:
    assert openai_usage(raw) == usage


def test_anthropic_input_excludes_the_cached_tokens_already() -> None:
    assert anthropic_usage(ANTHROPIC_BOTH_CACHES) == Usage(
        uncached_input_tokens=21,
        cache_read_tokens=188_086,
        cache_write_5m_tokens=456,
        cache_write_1h_tokens=100,
        output_tokens=393,
    )


def test_anthropic_cache_writes_without_a_lifetime_are_five_minute_ones() -> None:
    usage = anthropic_usage(ANTHROPIC_WITHOUT_BREAKDOWN)
    assert (usage.cache_write_5m_tokens, usage.cache_write_1h_tokens) == (556, 0)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"prompt_tokens_details": {"cached_tokens": 2007}}, "prompt_tokens"),
        ({"prompt_tokens_details": {"cached_tokens": -1}}, "cached_tokens"),
        ({"prompt_tokens_details": 5}, "prompt_tokens_details"),
        ({"completion_tokens_details": {"reasoning_tokens": 301}}, "reasoning"),
        ({"completion_tokens_details": {"audio_tokens": 301}}, "completion_tokens"),
        ({"prompt_tokens": None}, "prompt_tokens"),
        ({"prompt_tokens": True}, "prompt_tokens"),
        ({"prompt_tokens": 2006.0}, "prompt_tokens"),
        ({"completion_tokens": "300"}, "completion_tokens"),
        ({"completion_tokens": 2**60}, "completion_tokens"),
    ],
)
def test_openai_numbers_that_make_no_sense_are_an_error_that_names_them(change: dict[str, object], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        openai_usage({**OPENAI_CACHED, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"cache_creation_input_tokens": 555},
        {"input_tokens": None},
        {"output_tokens": -1},
        {"output_tokens_details": {"thinking_tokens": 394}},
        {"iterations": {"type": "message"}},
        {"iterations": ["message"]},
    ],
)
def test_anthropic_numbers_that_make_no_sense_are_an_error(change: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        anthropic_usage({**ANTHROPIC_BOTH_CACHES, **change})


counts = st.integers(0, 10**7)


@given(counts, counts, counts, counts, counts, counts, counts)
def test_openai_buckets_add_up_to_what_the_provider_counted(
    plain: int, cached: int, written: int, audio_in: int, text_out: int, audio_out: int, reasoning: int
) -> None:
    prompt, completion = plain + cached + written + audio_in, text_out + reasoning + audio_out
    usage = openai_usage(
        {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "prompt_tokens_details": {
                "cached_tokens": cached,
                "cache_write_tokens": written,
                "audio_tokens": audio_in,
            },
            "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": audio_out},
        }
    )
    assert input_tokens(usage) == prompt
    assert usage.output_tokens + (usage.output_audio_tokens or 0) == completion
    assert (usage.uncached_input_tokens, usage.cache_read_tokens, usage.cache_write_5m_tokens) == (
        plain,
        cached,
        written,
    )


@given(counts, counts, counts, counts, counts)
def test_anthropic_buckets_add_up_to_what_the_provider_counted(
    plain: int, read: int, five_minutes: int, one_hour: int, output: int
) -> None:
    raw = {
        "input_tokens": plain,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": five_minutes + one_hour,
        "cache_creation": {"ephemeral_5m_input_tokens": five_minutes, "ephemeral_1h_input_tokens": one_hour},
        "output_tokens": output,
    }
    usage = anthropic_usage(raw)
    assert input_tokens(usage) == plain + read + five_minutes + one_hour
    assert (usage.uncached_input_tokens, usage.output_tokens) == (plain, output)


@pytest.mark.parametrize(
    ("usage", "came", "output"),
    [
        (Usage(output_tokens=1), 0, 1),
        (Usage(output_tokens=1), 1, 1),
        (Usage(output_tokens=1), 2, 2),
        (Usage(output_tokens=900), 40, 900),
        (Usage(output_tokens=5, output_audio_tokens=70), 75, 5),
        (Usage(output_tokens=5, output_audio_tokens=70), 76, 6),
    ],
)
def test_a_cut_answer_has_what_was_counted_or_what_came_if_that_is_more(usage: Usage, came: int, output: int) -> None:
    assert with_output_of_at_least(came, usage) == usage.model_copy(update={"output_tokens": output})
