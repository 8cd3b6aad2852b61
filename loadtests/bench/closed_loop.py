"""Drives a gateway as fast as N connections get their answers."""

import asyncio
import time

from loadtests.bench.http import Answer, Connection, connect
from loadtests.bench.problems import BenchError
from loadtests.bench.tally import Check, Tally

GRACE_S = 10.0
"""How long after its end a phase waits for the answers that are still due."""


class ClosedLoop:
    """Each connection sends its next request when the last one is answered, for `seconds`."""

    def __init__(self, request: bytes, check: Check, *, connections: int, seconds: float) -> None:
        self._request, self._connections, self._seconds = request, connections, seconds
        self._tally = Tally(seconds, check)
        self._open: set[Connection] = set()
        self._finished = asyncio.Event()
        self._end = 0.0

    async def run(self, host: str, port: int) -> Tally:
        """Raises `BenchError` when a connection is lost or gets no answer."""
        for _ in range(self._connections):
            self._open.add(await connect(host, port, self._answered, self._lost))
        self._end = time.perf_counter() + self._seconds
        for connection in tuple(self._open):
            connection.send(self._request)
        try:
            await asyncio.wait_for(self._finished.wait(), self._seconds + GRACE_S)
        except TimeoutError:
            waiting = len(self._open)
            raise BenchError(f"{waiting} of {self._connections} connections had no answer for {GRACE_S:g} s") from None
        finally:
            for connection in tuple(self._open):
                connection.close()
        if self._open:
            raise BenchError("the gateway closed a connection that had a request under way")
        return self._tally

    def _answered(self, connection: Connection, answer: Answer) -> None:
        if answer.ended_at <= self._end:
            self._tally.note(answer)
            connection.send(self._request)
            return
        self._open.discard(connection)
        connection.close()
        if not self._open:
            self._finished.set()

    def _lost(self, connection: Connection) -> None:
        if connection in self._open:
            self._finished.set()
