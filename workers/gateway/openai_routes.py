"""The drop-in surface `/v1`: OpenAI's chat completions and models. This is the hot path: plain ASGI, no framework."""

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.types import Receive, Scope, Send

from observatory.adapters.answer_records import Heard
from observatory.adapters.answers import AnswerListener
from schemas.chat import ChatCompleted, ChatFailed, ChatRestarted
from workers.gateway.access import KeyRing
from workers.gateway.bodies import ClientLeft, Headers, parse_object, read_body
from workers.gateway.intake import Intake, refusing_while_away, stored
from workers.gateway.metrics import count
from workers.gateway.openai_answer import ChunkStream, completion_body, completion_headers
from workers.gateway.openai_request import Completion, read_completion
from workers.gateway.refusals import Refusal, broken, not_found, refusal_of
from workers.gateway.responses import send_body, send_chunk, send_stream_start
from workers.gateway.tracing import RequestSpan, RequestTraces

log = logging.getLogger(__name__)

Endpoint = Callable[[Scope, Receive, Send], Awaitable[int]]
HEARTBEAT = b": still working\n\n"


class OpenAIEndpoint:
    """An ASGI application around one endpoint: refusals in OpenAI's shape, counted and timed."""

    def __init__(self, route: str, endpoint: Endpoint) -> None:
        self._route, self._endpoint = route, endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        begun = time.perf_counter()
        try:
            status = await self._endpoint(scope, receive, send)
        except Refusal as refusal:
            status = refusal.status
            await send_refusal(send, refusal)
        except ClientLeft:
            status = 499
        except Exception:
            log.exception("unforeseen: %s", self._route)
            status = 500
            await send_refusal(send, broken())
        count(self._route, status, time.perf_counter() - begun)


async def send_refusal(send: Send, refusal: Refusal) -> None:
    """A refusal as OpenAI writes errors."""
    if refusal.status >= 500:
        log.warning("%s", refusal, extra={"request_id": refusal.request_id})
    await send_body(send, refusal.status, refusal.as_openai(), refusal.headers)


async def nothing_here(scope: Scope, receive: Receive, send: Send) -> int:
    """Every path under `/v1` that is not served; `/v1/messages` in the shape of Anthropic's errors."""
    refusal = not_found(f"{scope['path']} is not served here; there are /v1/chat/completions and /v1/models")
    if not scope["path"].startswith("/v1/messages"):
        raise refusal
    await send_body(send, refusal.status, refusal.as_anthropic(), refusal.headers)
    return refusal.status


class ChatCompletions:
    """`POST /v1/chat/completions`."""

    def __init__(self, intake: Intake, listener: AnswerListener, keys: KeyRing, traces: RequestTraces) -> None:
        self._intake, self._listener, self._keys, self._traces = intake, listener, keys, traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Answers with the completion or its chunks; returns the status. Raises `Refusal`."""
        with self._traces.span(scope) as span:
            span.status = await self._answer(scope, receive, span.announcing(send), span)
            return span.status

    async def _answer(self, scope: Scope, receive: Receive, send: Send, span: RequestSpan) -> int:
        if scope["method"] != "POST":
            raise Refusal(405, "method_not_allowed", "use POST", final=True)
        headers: Headers = dict(scope["headers"])
        access = await self._keys.admit(headers)
        fields = parse_object(headers, await read_body(headers, receive))
        completion = read_completion(headers, fields, access, span)
        if completion.stream:
            return await self._stream(completion, send)
        outcome = await self._intake.answer(completion.ask)
        if isinstance(outcome, ChatFailed):
            raise refusal_of(outcome)
        await send_body(send, 200, completion_body(outcome), completion_headers(outcome))
        return 200

    async def _stream(self, completion: Completion, send: Send) -> int:
        ask = completion.ask
        chunks = ChunkStream(ask.request_id, ask.request.model, include_usage=completion.include_usage)
        out = _Chunks(send, ask.request_id, chunks)
        known = await self._intake.known(ask)
        if known is not None:
            await out.put([stored(known)])
            return 200
        with refusing_while_away(), self._listener.follow(ask.request.tenant_id, ask.request_id) as answers:
            await self._intake.publish(ask)
            patience_s = self._intake.patience_s(ask.request)
            events = self._intake.events(answers, ask.request_id, patience_s, lambda: self._intake.look_up(ask))
            await out.put_all(events)
        return 200


class _Chunks:
    """The stream to one client. Until it begins a failure has an HTTP status; then it is an event of the stream."""

    def __init__(self, send: Send, request_id: str, chunks: ChunkStream) -> None:
        self._send, self._request_id, self._chunks = send, request_id, chunks
        self._begun = False
        self._silences = 0

    async def put_all(self, events: AsyncIterator[list[Heard]]) -> None:
        """Sends everything up to the outcome. Raises `Refusal` when nothing was sent yet."""
        try:
            async for batch in events:
                await self.put(batch)
        except Refusal as refusal:
            if not self._begun:
                raise
            await send_chunk(self._send, b"data: " + refusal.as_openai() + b"\n\n", last=True)

    async def put(self, batch: list[Heard]) -> None:
        """Sends what a batch adds; a second silence in a row begins the stream, to keep the connection alive."""
        if not batch:
            self._silences += 1
            if self._silences > 1:
                await self._send_bytes(HEARTBEAT, last=False)
            return
        self._silences = 0
        parts = []
        for heard in _not_void(batch):
            if isinstance(heard.answer, ChatFailed):
                raise refusal_of(heard.answer)
            parts.append(self._chunks.chunks(heard.answer))
        await self._send_bytes(b"".join(parts), last=isinstance(batch[-1].answer, ChatCompleted))

    async def _send_bytes(self, body: bytes, *, last: bool) -> None:
        if not body:
            return
        if not self._begun:
            self._begun = True
            await send_stream_start(self._send, self._request_id)
        await send_chunk(self._send, body, last=last)


def _not_void(batch: list[Heard]) -> list[Heard]:
    """Without what the same batch takes back: it need not be shown at all."""
    restarts = [index for index, heard in enumerate(batch) if isinstance(heard.answer, ChatRestarted)]
    return batch[restarts[-1] :] if restarts else batch
