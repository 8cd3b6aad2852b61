"""ASGI answers without a framework: a body, or a stream of server-sent events."""

from collections.abc import Sequence

from starlette.types import Send

JSON = b"application/json"
_STREAM_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)


async def send_body(
    send: Send, status: int, body: bytes, headers: Sequence[tuple[bytes, bytes]] = (), content_type: bytes = JSON
) -> None:
    """The whole answer at once."""
    head = [(b"content-type", content_type), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})


async def send_stream_start(send: Send, request_id: str, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
    """The head of a stream of events."""
    head = [*_STREAM_HEADERS, (b"x-observatory-request-id", request_id.encode()), *headers]
    await send({"type": "http.response.start", "status": 200, "headers": head})


async def send_chunk(send: Send, body: bytes, *, last: bool = False) -> None:
    """A piece of a stream."""
    await send({"type": "http.response.body", "body": body, "more_body": not last})
