"""What is booked of a call whose usage was not told to the end, from what had been learned of it."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import orjson
import pytest

from observatory.adapters.prices import SHIPPED_VERSION, shipped_book
from observatory.adapters.tokens import count_tokens
from observatory.rules.attempts import AttemptResult
from schemas.calls import Usage
from schemas.chat import JsonObject
from tests.observatory.adapters.providers.calls import answering, asked
from tests.observatory.adapters.providers.test_answers import MESSAGE, says, stream_of
from workers.chat.attempt import Answered, Caller, Cancelled, Ended, Failed, OnChunk, Sending

STARTED_AT = datetime(2026, 11, 1, 12, tzinfo=UTC)


async def nobody_reads(_: object) -> None:
    """Takes the chunks of a stream."""


async def outcome(
    kind: str, model: str, body: bytes, *, stream: bool = True, on_chunk: OnChunk = nobody_reads
) -> Ended:
    """How a call ends that the provider answers with this body."""
    sending = Sending(
        call_id=uuid4(),
        number=1,
        provider=answering(kind, lambda _: says(body)),
        request=asked("hello", model=model, stream=stream),
        started_at=STARTED_AT,
        deadline=datetime.now(UTC) + timedelta(seconds=60),
        queue_ms=0.0,
        claimed_at=time.monotonic(),
        on_chunk=on_chunk if stream else None,
    )
    return await Caller(shipped_book()).call(sending)


async def booked(kind: str, model: str, *events: JsonObject) -> AttemptResult:
    """What is booked of a stream that is cut behind these events."""
    ended = await outcome(kind, model, stream_of(events))
    assert isinstance(ended, Failed)
    assert ended.error.error_type == "stream_cut"
    return ended.result


@pytest.mark.parametrize(
    ("said", "tier", "cost"),
    [
        ({"speed": "fast"}, "fast", "0.02005"),
        ({"service_tier": "batch"}, "batch", "0.0050125"),
        ({"service_tier": "standard"}, "standard", "0.010025"),
    ],
)
async def test_a_cut_stream_is_estimated_at_the_price_of_the_tier_that_it_ran_in(
    said: JsonObject, tier: str, cost: str
) -> None:
    usage = {"input_tokens": 2000, "output_tokens": 1, **said}
    started = {**MESSAGE, "content": [], "stop_reason": None, "usage": usage}
    result = await booked("anthropic", "claude-opus-5", {"type": "message_start", "message": started})
    assert result.usage == Usage(uncached_input_tokens=2000, output_tokens=1)
    assert (result.service_tier, result.cost_state) == (tier, "estimated")
    assert (result.cost.usd, result.cost.price_version) == (Decimal(cost), SHIPPED_VERSION)


async def test_a_cut_stream_that_told_no_tier_is_estimated_as_standard_service() -> None:
    chunk = {"model": "gpt-4o", "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}]}
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
    result = await booked("openai", "gpt-4o", {**chunk, "usage": usage})
    # 9 * 2.50 / 1000000 + 1 * 10.00 / 1000000
    assert (result.service_tier, result.cost.usd) == (None, Decimal("0.0000325"))


async def test_a_cut_stream_of_priority_service_keeps_its_tier() -> None:
    chunk = {"model": "gpt-4o", "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}]}
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
    told = {**chunk, "usage": usage, "service_tier": "priority"}
    result = await booked("openai", "gpt-4o", told, {**chunk, "choices": []})
    # 9 * 4.25 / 1000000 + 1 * 17.00 / 1000000
    assert (result.service_tier, result.cost.usd) == ("priority", Decimal("0.00005525"))


THOUGHT = "First the weather of the last days has to be looked at, then that of tomorrow."
TEXT = "The weather in Ulm will be fine tomorrow, with some clouds in the evening."
ARGUMENTS = '{"place": "Ulm", "day": "tomorrow", "unit": "celsius", "hours": [6, 12, 18]}'


def started(**usage: object) -> JsonObject:
    """The first event of a stream of Anthropic, whose output count is that of its first token."""
    told = {"input_tokens": 2000, "cache_read_input_tokens": 100, "output_tokens": 1, **usage}
    return {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None, "usage": told}}


def block(index: int, begun: JsonObject, delta: JsonObject) -> list[JsonObject]:
    """The events of one block of the answer."""
    return [
        {"type": "content_block_start", "index": index, "content_block": begun},
        {"type": "content_block_delta", "index": index, "delta": delta},
    ]


@pytest.mark.parametrize(
    ("block", "received"),
    [
        (block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": TEXT}), TEXT),
        (block(0, {"type": "thinking", "thinking": ""}, {"type": "thinking_delta", "thinking": THOUGHT}), THOUGHT),
        (
            block(
                0,
                {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}},
                {"type": "input_json_delta", "partial_json": ARGUMENTS},
            ),
            f"weather{ARGUMENTS}",
        ),
    ],
    ids=["text", "thoughts", "arguments"],
)
async def test_a_cut_stream_has_at_least_the_output_that_came(block: list[JsonObject], received: str) -> None:
    output = count_tokens(received)
    assert output > 10
    result = await booked("anthropic", "claude-opus-5", started(), *block)
    assert result.usage == Usage(uncached_input_tokens=2000, cache_read_tokens=100, output_tokens=output)
    # as the price page has it for claude-opus-5
    assert result.cost.usd == (2000 * Decimal(5) + 100 * Decimal("0.5") + output * Decimal(25)) / 1_000_000
    assert (result.usage_source, result.cost_state) == ("estimated", "estimated")


async def test_a_count_that_the_provider_had_told_is_not_lowered() -> None:
    told = {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 900}}
    result = await booked("anthropic", "claude-opus-5", started(), told)
    assert result.usage == Usage(uncached_input_tokens=2000, cache_read_tokens=100, output_tokens=900)


async def test_a_cut_stream_of_a_tool_call_without_usage_has_the_output_that_came() -> None:
    function = {"name": "weather", "arguments": ARGUMENTS}
    delta = {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]}
    result = await booked(
        "openai", "gpt-4o", {"model": "gpt-4o", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    )
    assert result.usage is not None
    assert result.usage.output_tokens == count_tokens(f"weather{ARGUMENTS}")


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_of_tool_calls_without_usage_is_estimated_with_them(stream: bool) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ARGUMENTS}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    whole = {"model": "gpt-4o", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    delta = {"tool_calls": [{"index": 0, **call}]}
    chunk = {"model": "gpt-4o", "choices": [{"index": 0, "delta": delta, "finish_reason": "tool_calls"}]}
    body = stream_of([chunk, "[DONE]"]) if stream else orjson.dumps(whole)
    ended = await outcome("openai", "gpt-4o", body, stream=stream)
    assert isinstance(ended, Answered)
    assert ended.result.usage is not None
    assert ended.result.usage.output_tokens == count_tokens(f"weather{ARGUMENTS}")
    assert (ended.result.usage_source, ended.result.cost_state) == ("estimated", "estimated")


async def test_what_a_stopped_worker_had_received_is_estimated() -> None:
    function = {"name": "weather", "arguments": ARGUMENTS}
    delta = {"content": TEXT, "tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]}
    chunk = {"model": "gpt-4o", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}

    async def stopped(_: object) -> None:
        raise asyncio.CancelledError

    with pytest.raises(Cancelled) as told:
        await outcome("openai", "gpt-4o", stream_of([chunk]), on_chunk=stopped)
    usage = told.value.ended.result.usage
    assert usage is not None
    assert usage.output_tokens == count_tokens(f"{TEXT}weather{ARGUMENTS}")


@pytest.mark.parametrize("call", [{"function": "weather"}, {"function": {"name": 5}}, {"custom": None}, {}])
async def test_a_tool_call_that_is_none_breaks_nothing(call: JsonObject) -> None:
    message = {"role": "assistant", "content": TEXT, "tool_calls": [call]}
    whole = {"model": "gpt-4o", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    ended = await outcome("openai", "gpt-4o", orjson.dumps(whole), stream=False)
    assert ended.result.usage is not None
    assert ended.result.usage.output_tokens == count_tokens(TEXT)


async def test_a_custom_tool_is_called_with_its_input() -> None:
    call = {"id": "call_1", "type": "custom", "custom": {"name": "query", "input": TEXT}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    whole = {"model": "gpt-4o", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    ended = await outcome("openai", "gpt-4o", orjson.dumps(whole), stream=False)
    assert ended.result.usage is not None
    assert ended.result.usage.output_tokens == count_tokens(f"query{TEXT}")


async def test_a_final_count_holds_also_where_the_answer_is_of_no_use() -> None:
    begun = started()
    del begun["message"]["model"]
    text = block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": TEXT})
    told = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}
    ended = await outcome("anthropic", "claude-opus-5", stream_of([begun, *text, told, {"type": "message_stop"}]))
    assert isinstance(ended, Failed)
    assert ended.error.error_type == "malformed_response"
    assert ended.result.usage == Usage(uncached_input_tokens=2000, cache_read_tokens=100, output_tokens=3)
