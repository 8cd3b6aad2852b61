"""From what a provider says of the tokens to disjoint buckets, where each token is counted once.

OpenAI's prompt tokens include those read from or written to the cache and the audio; Anthropic's exclude the cached
ones. Output includes reasoning in both; audio output is a bucket of its own here. Numbers that contradict each other
raise `UsageError`: a wrong count must never become a cost that looks exact.
"""

from collections.abc import Mapping
from typing import NamedTuple

from schemas.calls import Usage

MAX_TOKENS = 2**53


class StoredUsage(NamedTuple):
    """`Usage` as it is read back by the million: building the model would take longer than pricing it."""

    uncached_input_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int
    input_audio_tokens: int | None
    output_audio_tokens: int | None
    input_image_tokens: int | None


class UsageError(ValueError):
    """The provider's numbers are no counts, contradict each other or fit in no bucket."""


def openai_usage(raw: Mapping[str, object]) -> Usage:
    """The buckets of OpenAI's (and Azure's) `usage` of chat completions and embeddings. Raises `UsageError`.

    Cached image tokens are told twice, as cached and as image tokens: what does not fit beside the cached ones was read
    from the cache.
    """
    prompt = _count(raw, "prompt_tokens", required=True)
    completion = _count(raw, "completion_tokens")
    of_prompt = _details(raw, "prompt_tokens_details")
    of_completion = _details(raw, "completion_tokens_details")
    _check_total(raw, prompt, completion)
    cached = _count(of_prompt, "cached_tokens")
    written = _count(of_prompt, "cache_write_tokens")
    audio_in = _count(of_prompt, "audio_tokens")
    images = _count(of_prompt, "image_tokens")
    audio_out = _count(of_completion, "audio_tokens")
    _rest(prompt, "prompt_tokens", _count(of_prompt, "text_tokens"), audio_in, images)
    _rest(completion, "completion_tokens", _count(of_completion, "text_tokens"), audio_out)
    predicted = [_count(of_completion, f"{fate}_prediction_tokens") for fate in ("accepted", "rejected")]
    _rest(completion, "completion_tokens", *predicted)
    image_in = min(images, _rest(prompt, "prompt_tokens", cached, written, audio_in))
    return _checked(
        uncached=_rest(prompt, "prompt_tokens", cached, written, audio_in, image_in),
        cache_read=cached,
        cache_write_5m=written,
        output=_rest(completion, "completion_tokens", audio_out),
        reasoning=_count(of_completion, "reasoning_tokens"),
        audio_in=audio_in,
        audio_out=audio_out,
        image_in=image_in,
    )


def openai_responses_usage(raw: Mapping[str, object]) -> Usage:
    """The buckets of OpenAI's `usage` of responses, which names the same counts otherwise. Raises `UsageError`.

    Cache writes last 30 minutes unless told otherwise. Those of 12 hours cost more than that and have no bucket.
    """
    tokens_in, tokens_out = _count(raw, "input_tokens", required=True), _count(raw, "output_tokens", required=True)
    of_input, of_output = _details(raw, "input_tokens_details"), _details(raw, "output_tokens_details")
    _check_total(raw, tokens_in, tokens_out)
    cached, written = _count(of_input, "cached_tokens"), _count(of_input, "cache_write_tokens")
    lifetimes = _details(of_input, "cache_write_tokens_details")
    if lifetimes:
        _check_writes(_count(lifetimes, "ttl_30m_tokens"), _count(lifetimes, "ttl_12h_tokens"), written)
        if lifetimes.get("ttl_12h_tokens"):
            raise UsageError("cache writes of 12 hours have a price that no bucket has")
    return _checked(
        uncached=_rest(tokens_in, "input_tokens", cached, written),
        cache_read=cached,
        cache_write_5m=written,
        output=tokens_out,
        reasoning=_count(of_output, "reasoning_tokens"),
    )


def anthropic_usage(raw: Mapping[str, object]) -> Usage:
    """The buckets of Anthropic's `usage` of messages. Raises `UsageError`.

    Cache writes without the breakdown by lifetime are five-minute ones, Anthropic's default.
    """
    _check_iterations(raw.get("iterations"))
    written = _count(raw, "cache_creation_input_tokens")
    lifetimes = _details(raw, "cache_creation")
    one_hour = _count(lifetimes, "ephemeral_1h_input_tokens")
    five_minutes = _count(lifetimes, "ephemeral_5m_input_tokens") if lifetimes else written
    if "cache_creation_input_tokens" in raw:
        _check_writes(five_minutes, one_hour, written)
    return _checked(
        uncached=_count(raw, "input_tokens", required=True),
        cache_read=_count(raw, "cache_read_input_tokens"),
        cache_write_5m=five_minutes,
        cache_write_1h=one_hour,
        output=_count(raw, "output_tokens", required=True),
        reasoning=_count(_details(raw, "output_tokens_details"), "thinking_tokens"),
    )


def anthropic_usage_so_far(before: Mapping[str, object], said: Mapping[str, object]) -> dict[str, object]:
    """The `usage` of a stream after one more event of it: each count is a total, which replaces the one before.

    Later events tell the sum of the cache writes alone. More than there were are of the one lifetime that was written
    before; after both lifetimes the sum is left to contradict them.
    """
    usage = {**before, **{name: value for name, value in said.items() if value is not None}}
    lifetimes, total = before.get("cache_creation"), said.get("cache_creation_input_tokens")
    if isinstance(lifetimes, Mapping) and total is not None and said.get("cache_creation") is None:
        written = [name for name, tokens in lifetimes.items() if tokens]
        if not written:
            del usage["cache_creation"]
        elif len(written) == 1:
            usage["cache_creation"] = {**lifetimes, written[0]: total}
    return usage


def with_output_of_at_least(tokens: int, usage: Usage) -> Usage:
    """The usage of an answer that was cut: its output is what was counted of it, or what came if that is more."""
    missing = tokens - usage.output_tokens - (usage.output_audio_tokens or 0)
    return usage if missing <= 0 else usage.model_copy(update={"output_tokens": usage.output_tokens + missing})


def input_tokens(usage: Usage | StoredUsage) -> int:
    """Every token of the prompt, however it is billed."""
    return (
        usage.uncached_input_tokens
        + usage.cache_read_tokens
        + usage.cache_write_5m_tokens
        + usage.cache_write_1h_tokens
        + (usage.input_audio_tokens or 0)
        + (usage.input_image_tokens or 0)
    )


def _checked(
    *,
    uncached: int,
    cache_read: int,
    output: int,
    reasoning: int,
    cache_write_5m: int = 0,
    cache_write_1h: int = 0,
    audio_in: int = 0,
    audio_out: int = 0,
    image_in: int = 0,
) -> Usage:
    if reasoning > output:
        raise UsageError(f"reasoning of {reasoning} tokens in an output of {output}")
    return Usage(
        uncached_input_tokens=uncached,
        cache_read_tokens=cache_read,
        cache_write_5m_tokens=cache_write_5m,
        cache_write_1h_tokens=cache_write_1h,
        output_tokens=output,
        reasoning_tokens=reasoning,
        input_audio_tokens=audio_in or None,
        output_audio_tokens=audio_out or None,
        input_image_tokens=image_in or None,
    )


def _count(raw: Mapping[str, object], key: str, *, required: bool = False) -> int:
    value = raw.get(key)
    if value is None and not required:
        return 0
    if type(value) is not int or not 0 <= value <= MAX_TOKENS:
        raise UsageError(f"{key} is {str(value)[:40]}, not a count of tokens")
    return value


def _details(raw: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = raw.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise UsageError(f"{key} is {str(value)[:40]}, not an object")
    return value


def _check_total(raw: Mapping[str, object], tokens_in: int, tokens_out: int) -> None:
    """A total of more than both counts hides tokens that are in neither, such as reasoning kept out of the output."""
    if raw.get("total_tokens") is not None and _count(raw, "total_tokens") != tokens_in + tokens_out:
        raise UsageError(f"{tokens_in} + {tokens_out} tokens are not the total_tokens of {raw['total_tokens']}")


def _check_iterations(iterations: object) -> None:
    """The counts are those of the model's own turns; what else ran is billed beside them, or as another model."""
    if not isinstance(iterations, list | None):
        raise UsageError(f"iterations are {str(iterations)[:40]}, not a list")
    for iteration in iterations or ():
        kind = iteration.get("type") if isinstance(iteration, Mapping) else None
        if kind != "message":
            raise UsageError(f"an iteration of type {str(kind)[:40]} is billed beside the counts of the answer")


def _check_writes(shorter: int, longer: int, written: int) -> None:
    if shorter + longer != written:
        raise UsageError(f"cache writes of {shorter} + {longer} tokens are not the {written} of their sum")


def _rest(whole: int, name: str, *parts: int) -> int:
    rest = whole - sum(parts)
    if rest < 0:
        raise UsageError(f"parts of {sum(parts)} tokens in {name} of {whole}")
    return rest
