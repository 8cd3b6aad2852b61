"""How fast one process costs facts again: `observatory reprice` from its start to its report."""

import asyncio
import resource
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import asyncpg

from loadtests.bench.phases import OTHERS, WorkedOff, measured_cpu
from loadtests.bench.problems import BenchError
from loadtests.bench.queries import GENERATE_FACTS
from schemas.base import rfc3339

COMMAND = "reprice"
APART = timedelta(milliseconds=2)
"""Between two facts, as `generate_facts.sql` makes them."""

Reprice = Callable[[str, str], int]
"""Costs the calls of a period (two times) again and says how many have a cost now."""


async def measure(
    database_url: str, facts: int, reprice: Reprice, processes: Callable[[], Mapping[str, int]]
) -> WorkedOff:
    """Makes so many facts, of the day before yesterday, and has them costed again. Raises `BenchError`."""
    until = datetime.now(UTC) - timedelta(days=2)
    database = await asyncpg.connect(database_url)
    try:
        await database.execute(GENERATE_FACTS, facts, until)
    finally:
        await database.close()
    period = rfc3339(until - facts * APART), rfc3339(until + APART)
    children = _children_s()
    begun = time.perf_counter()
    with measured_cpu(processes()) as cpu:
        costed = await asyncio.to_thread(reprice, *period)
        seconds = time.perf_counter() - begun
    if costed != facts:
        raise BenchError(f"of {facts:,} facts {costed:,} were costed again")
    cpu.seconds[COMMAND] = round(_children_s() - children, 3)
    cpu.seconds[OTHERS] = round(max(0.0, cpu.seconds[OTHERS] - cpu.seconds[COMMAND]), 3)
    return WorkedOff(facts, seconds, cpu)


def _children_s() -> float:
    """CPU seconds of the programs that we started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
