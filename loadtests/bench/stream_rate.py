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
from schemas.topics import LLM_CALLS

POLL_S = 0.05
LONGEST_S = 120.0
EVENTS = 100_000

Database: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@dataclass(frozen=True)
class Family:
    """Processors that run together: those that read the topic, by their sinks, and what the setting names."""

    name: str
    roots: tuple[str, ...]
    only: str


FAMILIES = (
    Family("live windows", ("recent_calls",), "recent_calls,windows"),
    Family("requests, quality, conversations, users", ("requests",), "requests,quality,unattached,conversations,users"),
    Family("experiments", ("experiment_requests",), "experiment_requests,experiment_units"),
)


async def recorded(kafka: str, topic: str) -> int:
    """The sum of the offsets at which the topic's partitions end."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka)
    await consumer.start()
    try:
        await consumer.topics()
        partitions = [TopicPartition(topic, part) for part in range(LLM_CALLS.partitions)]
        return sum((await consumer.end_offsets(partitions)).values())
    finally:
        await consumer.stop()


async def streamed(database: Database, family: Family, topic: str) -> int:
    """How many records of the topic the family has applied."""
    return int(await database.fetchval(STREAMED_RECORDS, [f"streams.{root}" for root in family.roots], topic))


async def measure(
    database: Database, family: Family, topic: str, end: int, processes: Callable[[], dict[str, int]]
) -> WorkedOff:
    """Follows a worker that is just starting, from its first commit up to `end` records. Raises `BenchError`."""
    deadline = time.monotonic() + LONGEST_S
    before = await streamed(database, family, topic)
    first = await _reaching(database, family, topic, before + 1, deadline)
    begun = time.perf_counter()
    with measured_cpu(processes()) as cpu:
        last = await _reaching(database, family, topic, end, deadline)
        seconds = time.perf_counter() - begun
    return WorkedOff(last - first, seconds, cpu)


async def _reaching(database: Database, family: Family, topic: str, goal: int, deadline: float) -> int:
    while (applied := await streamed(database, family, topic)) < goal:
        if time.monotonic() > deadline:
            raise BenchError(f"{family.name}: {applied:,} of {goal:,} records after {LONGEST_S:g} s")
        await asyncio.sleep(POLL_S)
    return applied
