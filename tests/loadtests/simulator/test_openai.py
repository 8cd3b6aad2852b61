"""OpenAI's and Azure's protocols, seen by the real SDKs."""

import json
from decimal import Decimal

import openai
import pytest
from openai.types.chat import ChatCompletionChunk, ChatCompletionToolParam

from tests.loadtests.simulator.running import RunningSimulator, new_call

TOOL: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "find_order",
        "parameters": {
            "type": "object",
            "properties": {"number": {"type": "integer"}, "note": {"type": "string"}},
            "required": ["number", "note"],
        },
    },
}


async def test_a_plain_answer_has_the_usage_that_is_billed(simulator: RunningSimulator) -> None:
    call_id, headers = new_call()
    headers |= {"x-observatory-request-id": "r-1", "x-observatory-attempt": "2"}
    async with simulator.openai() as client:
        answer = await client.chat.completions.create(
            model="o3",
            messages=[{"role": "user", "content": "Where is 4711? [[sim in=374 out=44 cached=100 reasoning=10]]"}],
            extra_headers=headers,
        )
    assert answer.model == "o3"
    assert answer.choices[0].finish_reason == "stop"
    assert len((answer.choices[0].message.content or "").split()) == 34
    usage = answer.usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert usage.completion_tokens_details is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (374, 44, 418)
    assert usage.prompt_tokens_details.cached_tokens == 100
    assert usage.completion_tokens_details.reasoning_tokens == 10
    line = await simulator.line(call_id)
    assert (line.state, line.http_status, line.billed) == ("served", 200, True)
    assert (line.provider, line.model, line.operation) == ("openai", "o3", "chat")
    assert (line.request_id, line.attempt, line.provider_response_id) == ("r-1", 2, answer.id)
    assert (line.uncached_input_tokens, line.cache_read_tokens) == (274, 100)
    assert (line.output_tokens, line.reasoning_tokens) == (44, 10)
    assert Decimal(line.cost_usd) == (274 * Decimal(2) + 100 * Decimal("0.5") + 44 * Decimal(8)) / 10**6


async def test_the_same_request_gets_the_same_answer(simulator: RunningSimulator) -> None:
    async with simulator.openai() as client:
        answers = [
            await client.chat.completions.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": "My invoice is wrong"}]
            )
            for _ in range(2)
        ]
    contents = [answer.choices[0].message.content for answer in answers]
    assert contents[0] == contents[1]
    assert "My invoice is wrong" in (contents[0] or "")
    usage = answers[0].usage
    assert usage is not None
    assert usage.prompt_tokens == 5
    assert 20 <= usage.completion_tokens <= 60
    assert usage.completion_tokens == len((contents[0] or "").split())


async def test_input_is_counted_over_all_messages_and_parts(simulator: RunningSimulator) -> None:
    async with simulator.openai() as client:
        answer = await client.chat.completions.create(
            model="gpt-4o",
            messages=[
                {"role": "system", "content": "x" * 100},
                {"role": "user", "content": [{"type": "text", "text": "y" * 101}]},
            ],
        )
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 51


@pytest.mark.parametrize("include_usage", [True, False])
async def test_a_stream_carries_a_token_a_chunk_and_usage_only_when_asked(
    simulator: RunningSimulator, include_usage: bool
) -> None:
    call_id, headers = new_call()
    async with simulator.openai() as client:
        stream = await client.chat.completions.create(
            model="gpt-4o-mini@in=9;out=7",
            messages=[{"role": "user", "content": "hello"}],
            stream=True,
            stream_options={"include_usage": True} if include_usage else openai.omit,
            extra_headers=headers,
        )
        chunks: list[ChatCompletionChunk] = [chunk async for chunk in stream]
    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert len(texts) == 7
    assert "".join(texts).split()[0] == "Thank"
    usages = [chunk.usage for chunk in chunks if chunk.usage is not None]
    assert [(usage.prompt_tokens, usage.completion_tokens) for usage in usages] == ([(9, 7)] if include_usage else [])
    line = await simulator.line(call_id)
    assert (line.state, line.uncached_input_tokens, line.output_tokens) == ("served", 9, 7)


async def test_a_stream_and_a_plain_answer_say_the_same(simulator: RunningSimulator) -> None:
    async with simulator.openai() as client:
        plain = await client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "hello there"}]
        )
        stream = await client.chat.completions.create(
            model="gpt-4o-mini@chunks=3", messages=[{"role": "user", "content": "hello there"}], stream=True
        )
        texts = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert len([text for text in texts if text]) == 3
    assert "".join(texts) == plain.choices[0].message.content


async def test_the_output_limit_cuts_the_answer(simulator: RunningSimulator) -> None:
    async with simulator.openai() as client:
        for limit in ({"max_tokens": 5}, {"max_completion_tokens": 5}):
            answer = await client.chat.completions.create(
                model="gpt-4o-mini@out=9", messages=[{"role": "user", "content": "hello"}], extra_body=limit
            )
            assert answer.usage is not None
            assert (answer.choices[0].finish_reason, answer.usage.completion_tokens) == ("length", 5)


async def test_a_tool_call_has_arguments_that_fit_its_schema(simulator: RunningSimulator) -> None:
    async with simulator.openai() as client:
        answer = await client.chat.completions.create(
            model="gpt-4o@tool=1", messages=[{"role": "user", "content": "find it"}], tools=[TOOL]
        )
    assert answer.choices[0].finish_reason == "tool_calls"
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "find_order"
    assert json.loads(call.function.arguments)["number"] == 1


async def test_a_streamed_tool_call_is_put_together_by_the_sdk(simulator: RunningSimulator) -> None:
    async with (
        simulator.openai() as client,
        client.chat.completions.stream(
            model="gpt-4o@tool=1;out=30", messages=[{"role": "user", "content": "find it"}], tools=[TOOL]
        ) as stream,
    ):
        answer = await stream.get_final_completion()
    (call,) = answer.choices[0].message.tool_calls or []
    assert set(json.loads(call.function.arguments)) == {"number", "note"}


async def test_json_answers_are_json(simulator: RunningSimulator) -> None:
    schema = {"name": "verdict", "schema": {"properties": {"ok": {"type": "boolean"}, "why": {"type": "string"}}}}
    async with simulator.openai() as client:
        free = await client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "hi"}], response_format={"type": "json_object"}
        )
        fitted = await client.chat.completions.create(
            model="gpt-4o",
            messages=[{"role": "user", "content": "hi"}],
            extra_body={"response_format": {"type": "json_schema", "json_schema": schema}},
        )
    assert "answer" in json.loads(free.choices[0].message.content or "")
    assert json.loads(fitted.choices[0].message.content or "")["ok"] is True


@pytest.mark.parametrize("model", ["gpt-99", "claude-haiku-4-5", "text-embedding-3-small"])
async def test_an_unknown_model_is_not_found_and_not_billed(simulator: RunningSimulator, model: str) -> None:
    call_id, headers = new_call()
    async with simulator.openai() as client:
        with pytest.raises(openai.NotFoundError) as refused:
            await client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": "hi"}], extra_headers=headers
            )
    assert refused.value.code == "model_not_found"
    line = await simulator.line(call_id)
    assert (line.state, line.http_status, line.billed, line.cost_usd) == ("refused", 404, False, "0")
    assert (line.model, line.uncached_input_tokens, line.output_tokens) == (model, 0, 0)


@pytest.mark.parametrize(
    ("model", "body"),
    [
        ("gpt-4o", {"messages": []}),
        ("gpt-4o", {"messages": "hello"}),
        ("gpt-4o", {"messages": [{"role": "wizard", "content": "hi"}]}),
        ("gpt-4o", {"max_tokens": 0}),
        ("gpt-4o", {"n": 2}),
        ("gpt-4o", {"stream_options": {"include_usage": True}}),
        ("gpt-4o@colour=red", {}),
        ("gpt-4o@in=5;cached=6", {}),
        ("gpt-4o@out=5;reasoning=6", {}),
        ("gpt-4o@cache5m=6", {}),
        ("gpt-3.5-turbo@cached=6", {}),
        ("gpt-4o@tool=1", {}),
    ],
)
async def test_a_bad_request_is_refused_in_openais_shape(
    simulator: RunningSimulator, model: str, body: dict[str, object]
) -> None:
    call_id, headers = new_call()
    async with simulator.openai() as client:
        with pytest.raises(openai.BadRequestError) as refused:
            await client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": "hi"}], extra_body=body, extra_headers=headers
            )
    assert refused.value.type == "invalid_request_error"
    assert (await simulator.line(call_id)).billed is False


async def test_usage_can_be_left_out_but_is_billed(simulator: RunningSimulator) -> None:
    call_id, headers = new_call()
    async with simulator.openai() as client:
        answer = await client.chat.completions.create(
            model="gpt-4o@nousage=1;in=3;out=4", messages=[{"role": "user", "content": "hi"}], extra_headers=headers
        )
    assert answer.usage is None
    assert (await simulator.line(call_id)).output_tokens == 4


async def test_the_models_are_listed(simulator: RunningSimulator) -> None:
    async with simulator.openai() as client:
        names = [model.id async for model in client.models.list()]
    assert "gpt-4o-mini" in names
    assert "sim-unpriced" in names


async def test_embeddings_are_the_same_in_both_encodings(simulator: RunningSimulator) -> None:
    call_id, headers = new_call()
    async with simulator.openai() as client:
        packed = await client.embeddings.create(
            model="text-embedding-3-small", input=["one", "another text"], extra_headers=headers
        )
        plain = await client.embeddings.create(
            model="text-embedding-3-small", input=["one", "another text"], encoding_format="float"
        )
    assert [item.embedding for item in packed.data] == [item.embedding for item in plain.data]
    assert packed.data[0].embedding != packed.data[1].embedding
    assert len(packed.data[0].embedding) == 1536
    assert sum(number * number for number in packed.data[0].embedding) == pytest.approx(1, abs=1e-5)
    assert packed.usage.prompt_tokens == 4
    line = await simulator.line(call_id)
    assert (line.operation, line.uncached_input_tokens, line.cost_usd) == ("embeddings", 4, "0.00000008")


async def test_embeddings_take_dimensions_tokens_and_directives(simulator: RunningSimulator) -> None:
    async with simulator.openai() as client:
        answer = await client.embeddings.create(model="text-embedding-3-large@in=50", input=[[1, 2, 3]], dimensions=16)
        with pytest.raises(openai.BadRequestError, match="dimensions"):
            await client.embeddings.create(model="text-embedding-3-small", input="x", dimensions=1537)
        with pytest.raises(openai.BadRequestError, match="input"):
            await client.embeddings.create(model="text-embedding-3-small", input=[])
    assert len(answer.data[0].embedding) == 16
    assert answer.usage.prompt_tokens == 50


async def test_azure_takes_the_model_from_the_deployment(simulator: RunningSimulator) -> None:
    call_id, headers = new_call()
    async with simulator.azure() as client:
        answer = await client.chat.completions.create(
            model="gpt-4.1@in=10;out=5", messages=[{"role": "user", "content": "hi"}], extra_headers=headers
        )
        vectors = await client.embeddings.create(model="text-embedding-3-small", input="hi")
        stream = await client.chat.completions.create(
            model="gpt-4.1", messages=[{"role": "user", "content": "hi"}], stream=True
        )
        chunks = [chunk async for chunk in stream]
        with pytest.raises(openai.NotFoundError) as refused:
            await client.chat.completions.create(model="mine", messages=[{"role": "user", "content": "hi"}])
    assert answer.model == "gpt-4.1"
    assert len(vectors.data[0].embedding) == 1536
    assert chunks[0].choices == []
    assert refused.value.code == "DeploymentNotFound"
    line = await simulator.line(call_id)
    assert (line.provider, line.model, line.cost_usd) == ("azure", "gpt-4.1", "0.00006")
