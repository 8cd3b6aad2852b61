"""Sends rows when they are due, `speed` times as fast as they once came, and keeps what came of each."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from loadtests.replay.trace import Row
from loadtests.replay.ways import NotAnswered, Way


@dataclass(slots=True)
class Played:
    """What became of the rows, by line; `late_s` is how long after its time each was sent, `took_s` its answer."""

    costs: dict[int, Decimal] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)
    late_s: list[float] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)


async def play(rows: Sequence[Row], way: Way, *, speed: float, at_once: int, answered: Callable[[], None]) -> Played:
    """Returns when every row was answered or failed. With `at_once` under way the next one waits, and is late."""
    played, slots = Played(), asyncio.Semaphore(at_once)
    begun = time.perf_counter()

    async def one(row: Row) -> None:
        sent = time.perf_counter()
        try:
            played.costs[row.line] = await way.ask(row)
            played.took_s.append(time.perf_counter() - sent)
        except NotAnswered as error:
            played.failures[row.line] = str(error)
        finally:
            slots.release()
            answered()

    async with asyncio.TaskGroup() as tasks:
        for row in rows:
            due = begun + row.after_s / speed
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            await slots.acquire()
            played.late_s.append(max(0.0, time.perf_counter() - due))
            tasks.create_task(one(row))
    return played
