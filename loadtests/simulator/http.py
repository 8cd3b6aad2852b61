"""HTTP/1.1 for the simulator: one connection, its requests in order, whole and streamed answers.

Promise: keep-alive, pipelining (answers in the order of the requests), bodies by length or in chunks up to
`MAX_BODY_BYTES`, `Expect: 100-continue`, and back-pressure for streams. What is not HTTP gets 400 and a
closed connection. There is no framework under it because the simulator must never be what limits a load test.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple, cast

import httptools

MAX_BODY_BYTES = 16 * 1024 * 1024
MAX_HEAD_BYTES = 64 * 1024
_MAX_WAITING = 64

_REASONS = {status.value: status.phrase for status in HTTPStatus} | {529: "Overloaded"}


class Request(NamedTuple):
    """One request; header names are in lower case, values and target decoded as Latin-1."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    keep_alive: bool
    version: str


class _Broken(NamedTuple):
    """In place of a request that could not be read."""

    status: int
    message: str


class Connection(asyncio.Protocol):
    """One client. `handler` gets one request at a time and must end each with exactly one of `answer`,
    `end_stream` or `drop`; after the client left these do nothing.

    While a request is being answered, `on_lost` is called when the client leaves and `on_writable` when the
    client has read enough for more to be sent after `paused` was seen.
    """

    def __init__(self, handler: Callable[[Request, "Connection"], None], open_now: set["Connection"]) -> None:
        self._handler = handler
        self._open_now = open_now
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[Request | _Broken] = deque()
        self._busy = False
        self._serving = False
        self._ended = False  # nothing more will be read from this client
        self._keep_alive = True
        self._retiring = False
        self._chunked = True
        self._stream_head = b""
        self._head_bytes = 0
        self._in_body = False
        self._new_message()
        self.paused = False
        self.lost = False
        self.on_lost: Callable[[], None] | None = None
        self.on_writable: Callable[[], None] | None = None

    # What the handler calls.

    def answer(self, status: int, headers: str, body: bytes, *, sent: int | None = None) -> None:
        """Send a whole answer. `headers` are lines that end in CRLF; with `sent`, close after that many body bytes."""
        head = f"{_status_line(status)}{headers}content-length: {len(body)}\r\n{self._closing()}\r\n"
        self._write(head.encode("latin-1") + body[:sent])
        if sent is None:
            self._done()
        else:
            self.drop()

    def begin_stream(self, headers: str) -> None:
        """Prepare a stream's head; it leaves with the first bytes of the body."""
        framing = "transfer-encoding: chunked\r\n" if self._chunked else ""
        self._stream_head = f"{_status_line(200)}{headers}{framing}{self._closing()}\r\n".encode("latin-1")

    def send(self, data: bytes) -> None:
        """Send a part of a stream's body."""
        self._write(self._take_head() + self._framed(data))

    def end_stream(self, data: bytes) -> None:
        """Send the last part of a stream's body and its end."""
        end = b"0\r\n\r\n" if self._chunked else b""
        self._write(self._take_head() + self._framed(data) + end)
        self._done()

    def drop(self) -> None:
        """Send what was written so far and close the connection in the middle of the answer."""
        self._end()
        self._transport.close()

    def retire(self) -> None:
        """Close as soon as the request that is being answered, if any, has its answer."""
        self._retiring = True
        self._keep_alive = False
        if not self._busy:
            self.drop()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._open_now.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._open_now.discard(self)
        self._waiting.clear()
        on_lost, self.on_lost, self.on_writable = self.on_lost, None, None
        if on_lost is not None:
            on_lost()

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        if self.on_writable is not None:
            self.on_writable()
        self._serve()

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(400, "protocol upgrades are not supported")
        except httptools.HttpParserError as error:
            self._refuse(400, f"not an HTTP/1.1 request: {error}")
        if self._body_bytes > MAX_BODY_BYTES:
            self._refuse(413, f"the body is larger than {MAX_BODY_BYTES} bytes")
        elif not self._in_body and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(431, f"the request head is larger than {MAX_HEAD_BYTES} bytes")
        self._serve()
        if len(self._waiting) > _MAX_WAITING:
            self._transport.pause_reading()

    # What the parser calls.

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._in_body = True
        length = self._headers.get("content-length", "")
        if length.isdigit():
            self._body_bytes = int(length) if int(length) > MAX_BODY_BYTES else 0
        expects = self._headers.get("expect", "").lower() == "100-continue"
        if expects and not self._body_bytes and not self._busy and not self._waiting:
            self._write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._body_bytes <= MAX_BODY_BYTES:
            self._waiting.append(
                Request(
                    self._parser.get_method().decode("latin-1"),
                    self._target.decode("latin-1"),
                    self._headers,
                    b"".join(self._body),
                    self._parser.should_keep_alive(),
                    self._parser.get_http_version(),
                )
            )
            self._new_message()

    def _new_message(self) -> None:
        self._target = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._in_body = False
        self._head_bytes = 0

    def _refuse(self, status: int, message: str) -> None:
        if not self._ended:
            self._ended = True
            self._waiting.append(_Broken(status, message))

    def _serve(self) -> None:
        """Hand over waiting requests while each is answered at once; not recursive however many are pipelined."""
        if self._serving:
            return
        self._serving = True
        while self._waiting and not (self._busy or self.paused or self.lost):
            self._start(self._waiting.popleft())
        self._serving = False

    def _start(self, request: Request | _Broken) -> None:
        self._busy = True
        if isinstance(request, _Broken):
            self._keep_alive = False
            self.answer(request.status, "content-type: text/plain\r\n", request.message.encode() + b"\n")
            return
        if len(self._waiting) == _MAX_WAITING // 2 and not self._ended:
            self._transport.resume_reading()
        self._keep_alive = request.keep_alive and not self._retiring
        self._chunked = request.version == "1.1"
        self._handler(request, self)

    def _done(self) -> None:
        self._busy = False
        self.on_lost = self.on_writable = None
        if self.lost:
            return
        if self._keep_alive:
            self._serve()
        else:
            self.drop()

    def _end(self) -> None:
        self._ended = True
        self.on_lost = self.on_writable = None
        self._waiting.clear()

    def _closing(self) -> str:
        if not self._chunked:
            self._keep_alive = False
        return "" if self._keep_alive else "connection: close\r\n"

    def _take_head(self) -> bytes:
        head, self._stream_head = self._stream_head, b""
        return head

    def _framed(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if self._chunked and data else data

    def _write(self, data: bytes) -> None:
        if not self.lost:
            self._transport.write(data)


def _status_line(status: int) -> str:
    return f"HTTP/1.1 {status} {_REASONS[status]}\r\n"
