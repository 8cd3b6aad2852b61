"""A lean HTTP client: one request in flight a connection, parsed in the protocol's callbacks, nothing else.

It knows just the answers that the gateway gives (a length, or chunks), so that it costs a few hundredths of the CPU
of what it measures; a general client would be the bottleneck on a machine that the whole stack shares.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from loadtests.bench.problems import BenchError

PROVIDER = "sim-openai"
"""Load never goes to a provider that is paid, whatever keys are set."""

HEAD_END = b"\r\n\r\n"
LAST_CHUNK = b"\r\n0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. Times are on `time.perf_counter`, in seconds; `first_at` is when its body began."""

    status: int
    head: bytes
    body: bytes
    begun_at: float
    first_at: float
    ended_at: float

    def header(self, name: bytes) -> str | None:
        """The value of a header, its name in lower case."""
        return _header(self.head, name)


OnAnswer = Callable[["Connection", Answer], None]
OnLost = Callable[["Connection"], None]


def post(host: str, path: str, body: bytes) -> bytes:
    """A request with a JSON body as it goes over the wire, for the simulated model."""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
        f"x-observatory-provider: {PROVIDER}\r\ncontent-length: {len(body)}"
    )
    return head.encode() + HEAD_END + body


def get(host: str, path: str) -> bytes:
    """A request for a path with its query as it goes over the wire."""
    return f"GET {path} HTTP/1.1\r\nhost: {host}".encode() + HEAD_END


async def connect(host: str, port: int, on_answer: OnAnswer, on_lost: OnLost) -> "Connection":
    """A new connection. Raises `BenchError` when nobody listens there."""
    loop = asyncio.get_running_loop()
    try:
        _, connection = await loop.create_connection(lambda: Connection(on_answer, on_lost), host, port)
    except OSError as error:
        raise BenchError(f"nobody answers at {host}:{port}: {error}") from error
    return connection


class Connection(asyncio.Protocol):
    """One connection that is kept. `on_answer` may send the next request; `on_lost` is told when it closes."""

    def __init__(self, on_answer: OnAnswer, on_lost: OnLost) -> None:
        self._on_answer, self._on_lost = on_answer, on_lost
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._head_end = -1
        self._length: int | None = None
        self._begun_at = self._first_at = 0.0
        self.waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio's protocol."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of asyncio's protocol."""
        self._on_lost(self)

    def send(self, request: bytes) -> None:
        """Begins a request; the one before must have been answered."""
        assert self._transport is not None
        assert not self.waiting
        self._buffer.clear()
        self._head_end, self._first_at, self.waiting = -1, 0.0, True
        self._begun_at = time.perf_counter()
        self._transport.write(request)

    def close(self) -> None:
        """Ends the connection."""
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Part of asyncio's protocol."""
        buffer = self._buffer
        buffer += data
        if self._head_end < 0 and not self._read_head():
            return
        if not self._first_at and len(buffer) > self._head_end:
            self._first_at = time.perf_counter()
        if self._is_whole():
            self._finish()

    def _read_head(self) -> bool:
        found = self._buffer.find(HEAD_END)
        if found < 0:
            return False
        self._head_end = found + len(HEAD_END)
        length = _header(bytes(self._buffer[:found]), b"content-length")
        self._length = None if length is None else int(length)
        return True

    def _is_whole(self) -> bool:
        if self._length is not None:
            return len(self._buffer) >= self._head_end + self._length
        return self._buffer.endswith(LAST_CHUNK)

    def _finish(self) -> None:
        ended_at = time.perf_counter()
        head, body = bytes(self._buffer[: self._head_end]), bytes(self._buffer[self._head_end :])
        answer = Answer(int(head[9:12]), head, body, self._begun_at, self._first_at or ended_at, ended_at)
        self.waiting = False
        self._on_answer(self, answer)


def _header(head: bytes, name: bytes) -> str | None:
    begin = head.lower().find(b"\r\n" + name + b":")
    if begin < 0:
        return None
    begin += len(name) + 3
    end = head.find(b"\r\n", begin)
    return head[begin : end if end >= 0 else len(head)].strip().decode("latin-1")
