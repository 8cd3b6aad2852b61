"""One call through a provider's official SDK, plain or streamed, whatever protocol it speaks.

`client.post` is the SDKs' documented door for any path: authentication, addresses and errors stay theirs, while the
body is encoded and the answer decoded here, once, without the models that they would build of every answer and chunk.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

import aiohttp
import anthropic
import httpx2
import openai
import orjson

from observatory.adapters.providers import failures
from observatory.adapters.providers.base import ChatAnswer, ChatCall, ChatChunk, ProviderError, ProviderKind
from observatory.adapters.providers.connection import call_headers, http_timeout
from observatory.adapters.providers.sse import EventSplitter
from schemas.calls import Usage
from schemas.chat import ChatRequested, JsonObject

_REFUSED = (openai.APIStatusError, anthropic.APIStatusError)
_LOST = (
    openai.APIConnectionError,
    anthropic.APIConnectionError,
    httpx2.HTTPError,
    aiohttp.ClientError,
    OSError,  # of which TimeoutError is one
)

_MISSHAPEN = "the provider's stream has not the shape of an answer"


class StreamedAnswer(Protocol):
    """An answer that is being put together from the events of its stream.

    `add` and `answer` may raise any of `failures.UNREADABLE` for events that have not the shape they should.
    """

    @property
    def text(self) -> str:
        """The text that has come."""

    @property
    def output(self) -> str:
        """All that has come and is billed as output: thoughts, text, names and arguments of tool calls."""

    @property
    def is_whole(self) -> bool:
        """Whether the provider said that the answer is finished, even if the stream has not ended."""

    def add(self, event: bytes) -> ChatChunk | None:
        """Takes the data of one event; what a reader can be shown of it. Raises `ProviderError`."""

    def usage_so_far(self) -> Usage | None:
        """What is known of the tokens already."""

    @property
    def service_tier(self) -> str | None:
        """The service tier, once it was told."""

    def answer(self) -> ChatAnswer:
        """The whole answer. Raises `ProviderError` (`stream_cut`) when it is not whole."""


class Dialect(Protocol):
    """How requests and answers are written in one provider's protocol."""

    def path(self, request: ChatRequested) -> str:
        """Where the request is posted, below the SDK's base address."""

    def body(self, request: ChatRequested, *, stream: bool) -> JsonObject:
        """The request's body. Raises `ProviderError` for what the protocol cannot say."""

    def answer(self, body: bytes) -> ChatAnswer:
        """A plain answer. Raises `ProviderError` (`malformed_response`)."""

    def streamed(self) -> StreamedAnswer:
        """A new answer, nothing of which has come."""


class SdkProvider:
    """A provider behind one of the SDKs' clients, which must have been made with `max_retries=0`."""

    def __init__(
        self,
        name: str,
        kind: ProviderKind,
        client: openai.AsyncOpenAI | anthropic.AsyncAnthropic,
        dialect: Dialect,
    ) -> None:
        self.name = name
        self.kind = kind
        self._client = client
        self._dialect = dialect
        self._address = str(client.base_url).rstrip("/")

    async def chat(self, call: ChatCall) -> ChatAnswer:
        """The whole answer. Raises `ProviderError`."""
        response = await self._post(call, stream=False, give_up_at=_give_up_at(call))
        return self._dialect.answer(response.content)

    async def stream_chat(self, call: ChatCall) -> AsyncGenerator[ChatChunk | ChatAnswer, None]:
        """Chunks as they come; the last item is the whole answer. Raises `ProviderError`."""
        give_up_at = _give_up_at(call)
        response = await self._post(call, stream=True, give_up_at=give_up_at)
        answer, splitter, received = self._dialect.streamed(), EventSplitter(), response.aiter_bytes()
        try:
            while part := await _next(received, give_up_at):
                for event in splitter.feed(part):
                    if (chunk := answer.add(event)) is not None:
                        yield chunk
        except _LOST as error:
            # What came after the provider's last word on the answer is no reason to pay for another.
            if not answer.is_whole:
                raise _with_what_came(failures.lost_midway(error, timeout_s=call.timeout_s), answer) from error
        except failures.UNREADABLE as error:
            raise _with_what_came(failures.malformed(_MISSHAPEN), answer) from error
        except ProviderError as error:
            raise _with_what_came(error, answer) from error.__cause__
        finally:
            await response.aclose()
        yield _whole(answer)

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()

    async def _post(self, call: ChatCall, *, stream: bool, give_up_at: float) -> httpx2.Response:
        """The response, of a stream only its head. Raises `ProviderError`."""
        content = self._content(call.request, stream)
        try:
            async with asyncio.timeout_at(give_up_at):
                return await self._send(self._address + self._dialect.path(call.request), content, call, stream)
        except _REFUSED as error:
            raise failures.refused(error.response, error.body) from error
        except _LOST as error:
            raise failures.lost(error, timeout_s=call.timeout_s) from error

    def _content(self, request: ChatRequested, stream: bool) -> bytes:
        try:
            return orjson.dumps(self._dialect.body(request, stream=stream))
        except failures.UNREADABLE as error:
            raise failures.cannot_be_sent(f"the request cannot be written for this provider: {error}") from error

    async def _send(self, url: str, content: bytes, call: ChatCall, stream: bool) -> httpx2.Response:
        response: object
        if isinstance(self._client, anthropic.AsyncAnthropic):
            response = await self._client.post(
                url,
                content=content,
                cast_to=httpx2.Response,
                stream=stream,
                stream_cls=anthropic.AsyncStream[object],
                options={"headers": call_headers(call), "timeout": http_timeout(call), "max_retries": 0},
            )
        else:
            response = await self._client.post(
                url,
                content=content,
                cast_to=httpx2.Response,
                stream=stream,
                stream_cls=openai.AsyncStream[object],
                options={"headers": call_headers(call), "timeout": http_timeout(call), "max_retries": 0},
            )
        if not isinstance(response, httpx2.Response):
            raise TypeError(f"the SDK gave a {type(response).__name__} where its raw response was asked for")
        return response


def _give_up_at(call: ChatCall) -> float:
    return asyncio.get_running_loop().time() + call.timeout_s


async def _next(received: AsyncIterator[bytes], give_up_at: float) -> bytes | None:
    """The next bytes, None at the end. The time limit is on the read alone: it must not strike our reader's code."""
    async with asyncio.timeout_at(give_up_at):
        async for part in received:
            if part:
                return part
    return None


def _whole(answer: StreamedAnswer) -> ChatAnswer:
    try:
        return answer.answer()
    except failures.UNREADABLE as error:
        raise _with_what_came(failures.malformed(_MISSHAPEN), answer) from error
    except ProviderError as error:
        raise _with_what_came(error, answer) from error.__cause__


def _with_what_came(error: ProviderError, answer: StreamedAnswer) -> ProviderError:
    error.usage = answer.usage_so_far()
    error.service_tier = answer.service_tier
    error.received_text = answer.text
    if not answer.is_whole:
        error.unfinished_output = answer.output
    return error
