"""Server-sent events of one request: each with its Kafka position as id, so that any gateway can resume."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from observatory.adapters.answer_records import Heard, Position
from workers.gateway.refusals import Refusal
from workers.gateway.responses import send_chunk, send_stream_start

HEARTBEAT = b": heartbeat\n\n"


def event_bytes(heard: Heard) -> bytes:
    """`event:` is the type without its version, `data:` the body as it stands on the topic."""
    name = heard.answer.ce_type.rpartition(".v")[0].encode()
    place = b"" if heard.position is None else b"id: %s\n" % str(heard.position).encode()
    # A line break can stand between the tokens of a JSON text only, where a blank means the same.
    return b"%sevent: %s\ndata: %s\n\n" % (place, name, heard.body.replace(b"\n", b" ").replace(b"\r", b" "))


class EventStream(Response):
    """The events of one request as a response. Until the first byte a refusal is an HTTP error, then an event."""

    def __init__(self, request_id: str, events: Callable[[], AsyncGenerator[bytes, None]]) -> None:
        self._request_id, self._events = request_id, events
        self.background = None
        self.status_code = 200

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends everything up to the outcome."""
        begun = False
        try:
            async with aclosing(self._events()) as events:
                async for body in events:
                    if not begun:
                        begun = True
                        await send_stream_start(send, self._request_id)
                    await send_chunk(send, body)
        except Refusal as refusal:
            if not begun:
                raise
            await send_chunk(send, b"event: error\ndata: " + refusal.as_problem(scope["path"]) + b"\n\n")
        await _end(send, begun)


async def _end(send: Send, begun: bool) -> None:
    if begun:
        await send_chunk(send, b"", last=True)
    else:
        # 204 tells a browser's EventSource not to connect again: the outcome was the last that it has seen.
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def first_id(position: Position | None) -> bytes:
    """Sets the id from which a client resumes that has not got any event yet."""
    return HEARTBEAT if position is None else b"id: %s\n\n" % str(position).encode()


async def as_bytes(events: AsyncIterator[list[Heard]]) -> AsyncGenerator[bytes, None]:
    """The events of each batch together; a heartbeat for an empty one."""
    async for batch in events:
        yield b"".join(map(event_bytes, batch)) if batch else HEARTBEAT
