"""Reads a topic from a chosen place on, without a consumer group: nothing is committed, nobody else is disturbed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Literal, TypeAlias

from aiokafka import AIOKafkaConsumer, TopicPartition

from observatory.adapters.kafka import Record, new_consumer
from observatory.adapters.settings import KafkaSettings

Start: TypeAlias = Literal["end", "beginning"] | datetime
_POLL_MS = 200


class NoSuchTopic(Exception):
    """The broker has no such topic; the message names those that it has."""


class Follower:
    """A topic's records as they come, partition by partition in order."""

    def __init__(self, consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> None:
        self._consumer = consumer
        self.ends = ends
        """The position behind the last record of each partition when following began."""

    async def batches(self, *, timeout_s: float | None = None) -> AsyncIterator[list[Record]]:
        """Non-empty batches, until `timeout_s` seconds have passed (never, when None)."""
        loop = asyncio.get_running_loop()
        end = None if timeout_s is None else loop.time() + timeout_s
        while end is None or loop.time() < end:
            fetched = await self._consumer.getmany(timeout_ms=_POLL_MS)
            records = [record for batch in fetched.values() for record in batch]
            if records:
                yield records

    async def up_to_now(self) -> AsyncIterator[list[Record]]:
        """Non-empty batches, until everything that was there when following began has been given out."""
        while await self._behind():
            fetched = await self._consumer.getmany(timeout_ms=_POLL_MS)
            for partition, batch in fetched.items():
                records = [record for record in batch if record.offset < self.ends[partition]]
                if records:
                    yield records

    async def _behind(self) -> bool:
        # A position moves past records that a consumer never sees (transaction markers, compacted ones) too.
        positions = [await self._consumer.position(partition) for partition in self.ends]
        return any(position < end for position, end in zip(positions, self.ends.values(), strict=True))


@asynccontextmanager
async def follow(kafka: KafkaSettings, topic: str, start: Start) -> AsyncIterator[Follower]:
    """Positioned when it is entered: what comes from then on is not missed. Raises `KafkaError`, `NoSuchTopic`."""
    consumer = new_consumer(kafka, "observatory-follow")
    try:
        await consumer.start()
        partitions = await partitions_of(consumer, topic)
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await _seek(consumer, ends, start)
        yield Follower(consumer, ends)
    finally:
        await consumer.stop()


async def partitions_of(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """The partitions of a topic. Raises `NoSuchTopic`."""
    existing = await consumer.topics()
    if topic not in existing:
        shown = ", ".join(sorted(name for name in existing if not name.startswith("__"))) or "none"
        raise NoSuchTopic(f"there is no topic {topic!r}; there are: {shown} ('observatory migrate' creates ours)")
    consumer.assign([TopicPartition(topic, 0)])
    await consumer.end_offsets([TopicPartition(topic, 0)])  # has the client learn the topic's partitions
    return [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]


async def _seek(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int], start: Start) -> None:
    begin = await _positions(consumer, ends, start)
    for partition, offset in begin.items():
        consumer.seek(partition, offset)


async def _positions(
    consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int], start: Start
) -> dict[TopicPartition, int]:
    if start == "end":
        return ends
    if start == "beginning":
        oldest: dict[TopicPartition, int] = await consumer.beginning_offsets(list(ends))
        return oldest
    moment_ms = int(start.timestamp() * 1000)
    found = await consumer.offsets_for_times(dict.fromkeys(ends, moment_ms))
    return {partition: place.offset if place else ends[partition] for partition, place in found.items()}
