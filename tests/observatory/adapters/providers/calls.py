"""Calls to make, and providers whose HTTP is answered by a function of the test."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from uuid import UUID, uuid4

import anthropic
import httpx2
import openai

from observatory.adapters.providers.anthropic import Messages
from observatory.adapters.providers.base import ChatAnswer, ChatCall, ChatChunk, LLMProvider, ProviderError
from observatory.adapters.providers.openai import AzureChatCompletions, ChatCompletions
from observatory.adapters.providers.sdk import SdkProvider
from schemas.chat import ChatRequested

Answering = Callable[[httpx2.Request], httpx2.Response]


def asked(text: str = "hello", **fields: object) -> ChatRequested:
    """A request with one message of a user to a small model, unless the fields say otherwise."""
    messages = [{"role": "user", "content": text}]
    body = {"request_id": UUID(int=7), "model": "gpt-4o-mini", "messages": messages, **fields}
    return ChatRequested.model_validate(body)


def call_of(request: ChatRequested, *, timeout_s: float = 20.0) -> ChatCall:
    """A first attempt."""
    return ChatCall(call_id=uuid4(), request_id=request.request_id, attempt=1, request=request, timeout_s=timeout_s)


def answering(kind: str, answer: Answering) -> SdkProvider:
    """A provider whose requests are answered by that function instead of a network."""
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    if kind == "anthropic":
        client = anthropic.AsyncAnthropic(
            api_key="k", base_url="http://provider", max_retries=0, http_client=http, open_telemetry=False
        )
        return SdkProvider("sim-anthropic", "anthropic", client, Messages())
    if kind == "azure":
        azure = openai.AsyncAzureOpenAI(
            api_key="k", azure_endpoint="http://provider", api_version="v", max_retries=0, http_client=http
        )
        return SdkProvider("sim-azure", "azure", azure, AzureChatCompletions())
    plain = openai.AsyncOpenAI(api_key="k", base_url="http://provider/v1", max_retries=0, http_client=http)
    return SdkProvider("sim-openai", "openai", plain, ChatCompletions())


async def streamed(provider: LLMProvider, call: ChatCall) -> tuple[list[ChatChunk], ChatAnswer]:
    """The chunks of a stream and the answer that came last."""
    items = [item async for item in provider.stream_chat(call)]
    chunks = [item for item in items if isinstance(item, ChatChunk)]
    answer = items[-1]
    assert isinstance(answer, ChatAnswer)
    assert len(chunks) == len(items) - 1
    return chunks, answer


async def answer_to(provider: LLMProvider, call: ChatCall) -> ChatAnswer:
    """The answer, by a stream when the request asks for one."""
    return (await streamed(provider, call))[1] if call.request.stream else await provider.chat(call)


async def failure_of(provider: LLMProvider, call: ChatCall) -> ProviderError:
    """The error of a call that must fail."""
    try:
        answer = await answer_to(provider, call)
    except ProviderError as error:
        return error
    raise AssertionError(f"an answer instead of an error: {answer}")


@contextlib.asynccontextmanager
async def closing(provider: SdkProvider) -> AsyncIterator[SdkProvider]:
    """Closes the provider at the end."""
    try:
        yield provider
    finally:
        await provider.close()
