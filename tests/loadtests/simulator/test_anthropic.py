"""Anthropic's protocol, seen by the real SDK."""

import anthropic
import pytest
from anthropic.types import MessageParam, ToolParam

from tests.loadtests.simulator.running import RunningSimulator, new_call

HELLO: list[MessageParam] = [{"role": "user", "content": "hello"}]
TOOL: ToolParam = {
    "name": "find_order",
    "input_schema": {"type": "object", "properties": {"number": {"type": "integer"}}},
}
CACHED = "claude-sonnet-4-5@in=1000;cached=300;cache5m=200;cache1h=100;out=50;reasoning=20"


async def test_input_tokens_exclude_the_cached_ones(simulator: RunningSimulator) -> None:
    call_id, headers = new_call()
    async with simulator.anthropic() as client:
        answer = await client.messages.create(model=CACHED, max_tokens=100, messages=HELLO, extra_headers=headers)
    usage = answer.usage
    assert answer.model == "claude-sonnet-4-5"
    assert answer.stop_reason == "end_turn"
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (400, 300, 300)
    assert usage.cache_creation is not None
    assert usage.cache_creation.ephemeral_5m_input_tokens == 200
    assert usage.cache_creation.ephemeral_1h_input_tokens == 100
    assert usage.output_tokens == 50
    line = await simulator.line(call_id)
    assert (line.uncached_input_tokens, line.cache_read_tokens) == (400, 300)
    assert (line.cache_write_5m_tokens, line.cache_write_1h_tokens) == (200, 100)
    assert (line.output_tokens, line.reasoning_tokens) == (50, 20)
    # (400 x 3 + 300 x 0.3 + 200 x 3.75 + 100 x 6 + 50 x 15) / 1,000,000
    assert line.cost_usd == "0.00339"
    assert line.provider_response_id == answer.id


async def test_a_long_prompt_is_charged_at_the_higher_tier(simulator: RunningSimulator) -> None:
    call_id, headers = new_call()
    async with simulator.anthropic() as client:
        await client.messages.create(
            model="claude-sonnet-4-5@in=200001;out=2", max_tokens=100, messages=HELLO, extra_headers=headers
        )
    assert (await simulator.line(call_id)).cost_usd == "1.200051"


async def test_a_stream_is_put_together_by_the_sdk(simulator: RunningSimulator) -> None:
    call_id, headers = new_call()
    async with (
        simulator.anthropic() as client,
        client.messages.stream(model=CACHED, max_tokens=100, messages=HELLO, extra_headers=headers) as stream,
    ):
        texts = [text async for text in stream.text_stream]
        answer = await stream.get_final_message()
    assert len(texts) == 30
    assert "".join(texts) == "".join(block.text for block in answer.content if block.type == "text")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (400, 50)
    assert (await simulator.line(call_id)).output_tokens == 50


async def test_events_come_in_anthropics_order(simulator: RunningSimulator) -> None:
    async with simulator.anthropic() as client:
        stream = await client.messages.create(
            model="claude-haiku-4-5@in=7;out=2", max_tokens=100, messages=HELLO, stream=True
        )
        events = [event async for event in stream]
    kinds = [event.type for event in events if event.type != "ping"]  # type: ignore[comparison-overlap]  # the SDK drops pings from its types
    assert kinds == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


async def test_a_tool_is_used(simulator: RunningSimulator) -> None:
    async with simulator.anthropic() as client:
        answer = await client.messages.create(
            model="claude-haiku-4-5@tool=1", max_tokens=100, messages=HELLO, tools=[TOOL]
        )
    assert answer.stop_reason == "tool_use"
    (block,) = answer.content
    assert block.type == "tool_use"
    assert (block.name, block.input) == ("find_order", {"number": 1})


async def test_a_streamed_tool_use_is_put_together_by_the_sdk(simulator: RunningSimulator) -> None:
    async with (
        simulator.anthropic() as client,
        client.messages.stream(
            model="claude-haiku-4-5@tool=1;out=25", max_tokens=100, messages=HELLO, tools=[TOOL]
        ) as stream,
    ):
        answer = await stream.get_final_message()
    (block,) = answer.content
    assert block.type == "tool_use"
    assert block.input == {"number": 1}


async def test_max_tokens_cuts_the_answer(simulator: RunningSimulator) -> None:
    async with simulator.anthropic() as client:
        answer = await client.messages.create(model="claude-haiku-4-5@out=9", max_tokens=5, messages=HELLO)
    assert (answer.stop_reason, answer.usage.output_tokens) == ("max_tokens", 5)


async def test_an_unknown_model_is_not_found(simulator: RunningSimulator) -> None:
    async with simulator.anthropic() as client:
        with pytest.raises(anthropic.NotFoundError) as refused:
            await client.messages.create(model="gpt-4o", max_tokens=5, messages=HELLO)
    assert refused.value.type == "not_found_error"


async def test_a_bad_directive_is_an_invalid_request(simulator: RunningSimulator) -> None:
    async with simulator.anthropic() as client:
        with pytest.raises(anthropic.BadRequestError) as refused:
            await client.messages.create(model="claude-haiku-4-5@in=x", max_tokens=5, messages=HELLO)
    assert refused.value.type == "invalid_request_error"
