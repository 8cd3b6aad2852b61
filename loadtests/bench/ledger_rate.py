"""How fast one ledger process turns events on the topic into committed facts and rollups, from a backlog."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeAlias

import asyncpg

from loadtests.bench.call_events import TENANT_PREFIX
from loadtests.bench.phases import WorkedOff, measured_cpu
from loadtests.bench.problems import BenchError
from loadtests.bench.queries import APPLIED_RECORDS, COUNT_CALLS
from schemas.topics import LLM_CALLS

POLL_S = 0.02
LONGEST_S = 60.0

Database: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def applied_records(database: Database) -> int:
    """How many records of `llm.calls` the ledger has committed."""
    return int(await database.fetchval(APPLIED_RECORDS, LLM_CALLS.name))


async def measure(
    database: Database, published: int, before: int, processes: Callable[[], dict[str, int]]
) -> WorkedOff:
    """Follows a ledger that has just been started, from its first commit to its last. Raises `BenchError`.

    `published` events stand after the `before` that were applied already; `processes` tells the running ones.
    """
    deadline, end = time.monotonic() + LONGEST_S, before + published
    first = await _reaching(database, before + 1, deadline)
    begun = time.perf_counter()
    with measured_cpu(processes()) as cpu:
        last = await _reaching(database, end, deadline)
        seconds = time.perf_counter() - begun
    await _check(database, published)
    return WorkedOff(last - first, seconds, cpu)


async def _reaching(database: Database, goal: int, deadline: float) -> int:
    while (applied := await applied_records(database)) < goal:
        if time.monotonic() > deadline:
            raise BenchError(f"the ledger has applied {applied:,} of {goal:,} records after {LONGEST_S:g} s")
        await asyncio.sleep(POLL_S)
    return applied


async def _check(database: Database, published: int) -> None:
    """A figure for work that was not done right would be worth nothing."""
    row = await database.fetchrow(COUNT_CALLS, TENANT_PREFIX + "%")
    assert row is not None
    if (row["facts"], row["in_rollups"]) != (published, published) or not row["same_cost"]:
        raise BenchError(f"of {published:,} events the ledger made {dict(row)}")
