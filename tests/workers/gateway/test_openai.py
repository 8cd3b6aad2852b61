"""`/v1/chat/completions` is OpenAI's contract: the unmodified client is the judge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4, uuid5

import openai
import pytest
import pytest_asyncio
from openai.types.chat import ChatCompletionChunk, ChatCompletionUserMessageParam

from tests.workers.gateway.conftest import Process
from tests.workers.gateway.responder import Responder, deltas, failed, restarted
from workers.gateway.openai_request import KEY_NAMESPACE

pytestmark = pytest.mark.usefixtures("responder")


@pytest_asyncio.fixture(loop_scope="session")
async def client(gateway: Process) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="anything", max_retries=0) as made:
        yield made


def user(text: str) -> list[ChatCompletionUserMessageParam]:
    return [{"role": "user", "content": text}]


async def test_a_plain_completion_is_read_by_the_client(client: openai.AsyncOpenAI) -> None:
    completion = await client.chat.completions.create(model="gpt-4o-mini", messages=user("text=Good day"))
    assert completion.choices[0].message.content == "Good day"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.model == "gpt-4o-mini-2024-07-18"
    assert completion.system_fingerprint == "fp_test"


async def test_usage_counts_cached_and_reasoning_tokens_as_openai_does(client: openai.AsyncOpenAI) -> None:
    completion = await client.chat.completions.create(model="gpt-4o-mini", messages=user("text=x"))
    usage = completion.usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert usage.completion_tokens_details is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (10, 5, 15)
    assert usage.prompt_tokens_details.cached_tokens == 3
    assert usage.completion_tokens_details.reasoning_tokens == 2


async def test_the_headers_tell_the_request_and_its_cost(client: openai.AsyncOpenAI) -> None:
    raw = await client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=user("text=x"))
    assert UUID(raw.headers["x-observatory-request-id"])
    assert raw.headers["x-observatory-cost-usd"] == "0.00000325"


async def test_a_stream_gives_the_text_in_pieces_and_the_usage_last(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="gpt-4o-mini",
        messages=user("text=one two three four ; pieces=4"),
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert "".join(pieces) == "one two three four"
    assert len(pieces) == 4
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 15
    assert len({chunk.id for chunk in chunks}) == 1


async def test_a_stream_has_no_usage_when_it_is_not_asked_for(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(model="m", messages=user("text=x"), stream=True)
    assert all(chunk.usage is None and chunk.choices for chunk in [chunk async for chunk in stream])


async def test_a_stream_that_starts_again_with_the_same_text_goes_on_unnoticed(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="m", messages=user("text=one two three four ; restart=2"), stream=True
    )
    text = "".join([c.choices[0].delta.content or "" async for c in stream])
    assert text == "one two three four"


async def test_a_stream_that_starts_again_with_another_text_ends_with_an_error(
    client: openai.AsyncOpenAI, responder: Responder
) -> None:
    key = uuid4()
    stream = await _begun(client, responder, key, "one two three")
    request = await responder.heard(key)
    await responder.send(restarted(request, 2))
    await responder.send(next(deltas(request, 2, "uno due tre", 1)))
    with pytest.raises(openai.APIError, match="started again"):
        _ = [chunk async for chunk in stream]


async def test_a_failure_after_the_first_piece_ends_the_stream_with_an_error(
    client: openai.AsyncOpenAI, responder: Responder
) -> None:
    key = uuid4()
    stream = await _begun(client, responder, key, "one two three")
    await responder.send(failed(await responder.heard(key), "provider_error"))
    with pytest.raises(openai.APIError, match="it failed"):
        _ = [chunk async for chunk in stream]


async def _begun(
    client: openai.AsyncOpenAI, responder: Responder, key: UUID, text: str
) -> openai.AsyncStream[ChatCompletionChunk]:
    """A stream of which the client has seen the beginning."""
    creating = asyncio.create_task(
        client.chat.completions.create(
            model="m", messages=user("silent"), stream=True, extra_headers={"Idempotency-Key": str(key)}
        )
    )
    await responder.send(next(deltas(await responder.heard(key), 1, text, 3)))
    stream = await creating
    async for chunk in stream:
        if chunk.choices[0].delta.content:
            assert text.startswith(chunk.choices[0].delta.content)
            return stream
    raise AssertionError("the stream ended before its first piece")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("invalid_request", openai.BadRequestError),
        ("no_such_model", openai.NotFoundError),
        ("rate_limited", openai.RateLimitError),
        ("provider_error", openai.InternalServerError),
        ("deadline_exceeded", openai.InternalServerError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_failed_request_raises_the_clients_own_error(
    client: openai.AsyncOpenAI, code: str, error: type[openai.APIStatusError], stream: bool
) -> None:
    with pytest.raises(error) as raised:
        await client.chat.completions.create(model="m", messages=user(f"fail={code} ; pieces=0"), stream=stream)
    assert raised.value.code == code


async def test_an_exceeded_budget_is_402(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as raised:
        await client.chat.completions.create(model="m", messages=user("fail=budget_exceeded"))
    assert raised.value.status_code == 402
    assert raised.value.type == "insufficient_quota"
    assert raised.value.code == "budget_exceeded"
    assert isinstance(raised.value.body, dict)
    assert raised.value.body["budget"] == {
        "budget_id": "b", "limit_usd": "5", "left_usd": "0.000001", "resets_at": "2030-01-01T00:00:00Z",
    }  # fmt: skip


async def test_a_rate_limit_tells_when_to_come_back(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.RateLimitError) as raised:
        await client.chat.completions.create(model="m", messages=user("fail=rate_limited"))
    assert raised.value.response.headers["retry-after"] == "1"


async def test_the_request_carries_everything_that_was_said(client: openai.AsyncOpenAI, responder: Responder) -> None:
    key = uuid4()
    await client.chat.completions.create(
        model="gpt-4o-mini",
        messages=user("text=x"),
        max_completion_tokens=77,
        temperature=0.5,
        top_p=0.25,
        seed=7,
        stop=["end"],
        user="ann",
        tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}],
        extra_headers={
            "Idempotency-Key": str(key),
            "x-observatory-conversation": "talk",
            "x-observatory-tags": "team=search, env=prod",
            "x-observatory-provider": "sim-openai",
        },
        extra_body={"something_new": {"a": [1, None]}},
    )
    request = next(request for request in responder.requests if request.request_id == key)
    assert request.max_output_tokens == 77
    assert request.temperature == 0.5
    assert request.user_id == "ann"
    assert request.conversation_id == "talk"
    assert request.provider == "sim-openai"
    assert request.tags == {"team": "search", "env": "prod"}
    assert request.parameters == {"top_p": 0.25, "seed": 7, "stop": ["end"], "something_new": {"a": [1, None]}}
    assert request.tools == [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    assert not request.use_history


async def test_the_user_header_wins_over_the_field(client: openai.AsyncOpenAI, responder: Responder) -> None:
    key = uuid4()
    await client.chat.completions.create(
        model="m",
        messages=user("text=x"),
        user="field",
        extra_headers={"Idempotency-Key": str(key), "x-observatory-user": "header"},
    )
    assert next(r for r in responder.requests if r.request_id == key).user_id == "header"


async def test_a_key_that_is_no_uuid_names_the_request_too(client: openai.AsyncOpenAI) -> None:
    raw = await client.chat.completions.with_raw_response.create(
        model="m", messages=user("text=x"), extra_headers={"Idempotency-Key": "order 4711"}
    )
    assert raw.headers["x-observatory-request-id"] == str(uuid5(KEY_NAMESPACE, "order 4711"))


async def test_a_million_characters_pass(client: openai.AsyncOpenAI) -> None:
    completion = await client.chat.completions.create(model="m", messages=user("text=ok ; " + "ü" * 1_000_000))
    assert completion.choices[0].message.content == "ok"


async def test_the_models_with_a_price_are_listed(client: openai.AsyncOpenAI) -> None:
    models = {model.id: model.owned_by async for model in client.models.list()}
    assert models["gpt-4o-mini"] in ("openai", "azure")
    assert "anthropic" in models.values()
    assert (await client.models.retrieve("gpt-4o-mini")).id == "gpt-4o-mini"
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("no such model")


async def test_embeddings_are_not_there_yet(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        await client.embeddings.create(model="text-embedding-3-small", input="x")
