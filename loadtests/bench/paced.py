"""Drives a gateway at a fixed rate, whatever its answers do: a slow answer delays no later request."""

import asyncio
import time

from loadtests.bench.http import Answer, Connection, OnAnswer, connect
from loadtests.bench.problems import BenchError

MOST_CONNECTIONS = 512
GRACE_S = 10.0


class Paced:
    """`rate` requests a second for `seconds`, each on an idle connection; every answer goes to `on_answer`."""

    def __init__(self, request: bytes, on_answer: OnAnswer, *, rate: float, seconds: float) -> None:
        self._request, self._on_answer = request, on_answer
        self._rate, self._count = rate, round(rate * seconds)
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._due = self._count
        self._finished = asyncio.Event()
        self._closed = 0

    async def run(self, host: str, port: int) -> None:
        """Raises `BenchError` when connections are lost, run out, or get no answer."""
        begun = time.perf_counter()
        try:
            for number in range(self._count):
                await asyncio.sleep(max(0.0, begun + number / self._rate - time.perf_counter()))
                connection = self._idle.pop() if self._idle else await self._connect(host, port)
                connection.send(self._request)
            async with asyncio.timeout(GRACE_S):
                await self._finished.wait()
        except TimeoutError:
            raise BenchError(f"{self._due} of {self._count} requests had no answer for {GRACE_S:g} s") from None
        finally:
            closed = self._closed
            connections, self._all = self._all, set()
            for connection in connections:
                connection.close()
        if closed:
            raise BenchError(f"the gateway closed {closed} connections that had a request under way")

    async def _connect(self, host: str, port: int) -> Connection:
        if len(self._all) == MOST_CONNECTIONS:
            raise BenchError(f"{MOST_CONNECTIONS} requests wait at once: {self._rate:g} a second are too many")
        connection = await connect(host, port, self._answered, self._lost)
        self._all.add(connection)
        return connection

    def _answered(self, connection: Connection, answer: Answer) -> None:
        self._idle.append(connection)
        self._due -= 1
        if not self._due:
            self._finished.set()
        self._on_answer(connection, answer)

    def _lost(self, connection: Connection) -> None:
        self._all.discard(connection)
        if connection.waiting:
            self._closed += 1
            self._finished.set()
        elif connection in self._idle:
            self._idle.remove(connection)
