"""How fast one stream worker with one family of processors works off a backlog, its states in the database."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from loadtests.bench.phases import WorkedOff, measured_cpu
from loadtests.bench.problems import BenchError
from loadtests.bench.queries import STREAMED_RECORDS
from schemas.topics import LLM_CALLS, TRACE_SPANS, Topic

POLL_S = 0.05
LONGEST_S = 120.0
EVENTS = 100_000
SPAN_RECORDS = 50_000
"""Of four spans each."""

Database: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@dataclass(frozen=True)
class Family:
    """Processors that run together: those that read the topic, by their sinks, and what the setting names."""

    name: str
    roots: tuple[str, ...]
    only: str
    topic: Topic = LLM_CALLS


FAMILIES = (
    Family("live windows", ("recent_calls",), "recent_calls,windows"),
    Family("requests, quality, conversations, users", ("requests",), "requests,quality,unattached,conversations,users"),
    Family("experiments", ("experiment_requests",), "experiment_requests,experiment_units"),
    Family("traces, records of four spans", ("traces",), "traces", TRACE_SPANS),
)


async def recorded(kafka: str, topic: Topic) -> int:
    """The sum of the offsets at which the topic's partitions end."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka)
    await consumer.start()
    try:
        await consumer.topics()
        partitions = [TopicPartition(topic.name, part) for part in range(topic.partitions)]
        return sum((await consumer.end_offsets(partitions)).values())
    finally:
        await consumer.stop()


async def streamed(database: Database, family: Family) -> int:
    """How many records of its topic the family has applied."""
    return int(
        await database.fetchval(STREAMED_RECORDS, [f"streams.{root}" for root in family.roots], family.topic.name)
    )


async def measure(database: Database, family: Family, end: int, processes: Callable[[], dict[str, int]]) -> WorkedOff:
    """Follows a worker that is just starting, from its first commit up to `end` records. Raises `BenchError`."""
    deadline = time.monotonic() + LONGEST_S
    before = await streamed(database, family)
    first = await _reaching(database, family, before + 1, deadline)
    begun = time.perf_counter()
    with measured_cpu(processes()) as cpu:
        last = await _reaching(database, family, end, deadline)
        seconds = time.perf_counter() - begun
    return WorkedOff(last - first, seconds, cpu)


async def _reaching(database: Database, family: Family, goal: int, deadline: float) -> int:
    while (applied := await streamed(database, family)) < goal:
        if time.monotonic() > deadline:
            raise BenchError(f"{family.name}: {applied:,} of {goal:,} records after {LONGEST_S:g} s")
        await asyncio.sleep(POLL_S)
    return applied
