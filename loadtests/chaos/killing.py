"""Kills processes of a stack, as nothing else would: with SIGKILL, by their id, whatever they are doing."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from loadtests.bench.problems import BenchError
from loadtests.bench.processes import supervised
from loadtests.chaos.plan import Strike

BACK_S = 60.0
POLL_S = 0.1


class Killer:
    """Carries out a plan; `timeline` says what happened when (seconds since `begin`) to which process."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._began = time.monotonic()
        self.timeline: list[dict[str, object]] = []

    def processes(self) -> dict[str, int]:
        """The ids of all processes of the stack that run now."""
        found: dict[str, int] = {}
        for folder in self._folders:
            try:
                found.update(supervised(folder))
            except (BenchError, OSError):
                continue  # a process ended while it was looked at
        return found

    async def carry_out(self, strikes: Sequence[Strike]) -> None:
        """Returns after the last strike."""
        self._began = time.monotonic()
        for strike in strikes:
            await asyncio.sleep(max(0.0, strike.at_s - self._elapsed()))
            await (self._outage(strike) if strike.for_s else self._kill(strike.target))

    async def _kill(self, target: str) -> None:
        """Waits for the process, should it be dead from the last time. Raises `BenchError` when it does not come."""
        pid = await self._running(target, BACK_S)
        if pid is None:
            raise BenchError(f"{target} has not come back within {BACK_S:.0f} s")
        os.kill(pid, signal.SIGKILL)
        self._note(target, f"kill -9 {pid}")

    async def _outage(self, strike: Strike) -> None:
        """The process is killed whenever it comes back, until the time is over."""
        self._note(strike.target, f"away for {strike.for_s:.0f} s")
        end = time.monotonic() + strike.for_s
        while time.monotonic() < end:
            pid = await self._running(strike.target, end - time.monotonic())
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(POLL_S)
        self._note(strike.target, "may come back")

    async def _running(self, target: str, patience_s: float) -> int | None:
        end = time.monotonic() + patience_s
        while True:
            pid = self.processes().get(target)
            if pid is not None or time.monotonic() > end:
                return pid
            await asyncio.sleep(POLL_S)

    def _note(self, target: str, what: str) -> None:
        self.timeline.append({"at_s": round(self._elapsed(), 1), "target": target, "what": what})
        say(f"  {self._elapsed():6.1f} s  {target:<10} {what}")

    def _elapsed(self) -> float:
        return time.monotonic() - self._began


def say(line: str) -> None:
    """A line for whoever watches."""
    sys.stderr.write(line + "\n")
