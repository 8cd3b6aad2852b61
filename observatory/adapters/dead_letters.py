"""The dead letters of a topic: what could not be read, why, and sending it again to where it came from.

What was sent again is remembered as the offset that the group `observatory-dlq` has committed on the dead letters'
topic: everything below it was retried.
"""

import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, TopicPartition

from observatory.adapters.following import Follower, NoSuchTopic, follow
from observatory.adapters.kafka import Record, new_consumer, new_producer
from observatory.adapters.lag import RETRIED_GROUP
from observatory.adapters.settings import KafkaSettings
from schemas.topics import DLQ_SUFFIX, TOPICS, Topic

_NUMBER = re.compile("[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Letter:
    """One record that could not be read: where it came from, why it could not, and as it came."""

    record: Record
    reason: str
    source_topic: str | None
    source_partition: int | None
    source_offset: int | None
    failed_at: str | None

    @property
    def appended_at(self) -> datetime:
        """When it was put among the dead letters."""
        return datetime.fromtimestamp(self.record.timestamp / 1000, UTC)


@dataclass(frozen=True, slots=True)
class Summary:
    """The dead letters of one topic: how many, how many of them were not retried yet, and how many by reason."""

    topic: str
    records: int
    waiting: int
    reasons: dict[str, int]


def topic_of(name: str) -> Topic:
    """A topic of the catalogue by its name or by that of its dead letters. Raises `NoSuchTopic`."""
    wanted = name.removesuffix(DLQ_SUFFIX)
    for topic in TOPICS:
        if topic.name == wanted:
            return topic
    raise NoSuchTopic(f"there is no topic {name!r}; there are {', '.join(topic.name for topic in TOPICS)}")


async def letters(kafka: KafkaSettings, topic: Topic) -> AsyncIterator[Letter]:
    """All dead letters that a topic has now, in order. Raises `KafkaError`, `NoSuchTopic`."""
    async with follow(kafka, kafka.topic_prefix + topic.dlq, "beginning") as follower:
        async for records in follower.up_to_now():
            for record in records:
                yield letter_of(record)


def letter_of(record: Record) -> Letter:
    """What the `dlq_*` headers say."""
    headers = {name: value.decode(errors="replace") for name, value in record.headers if name.startswith("dlq_")}
    return Letter(
        record,
        headers.get("dlq_reason", "unknown"),
        headers.get("dlq_topic"),
        _number(headers.get("dlq_partition")),
        _number(headers.get("dlq_offset")),
        headers.get("dlq_time"),
    )


async def summaries(kafka: KafkaSettings, topics: Sequence[Topic] = TOPICS) -> list[Summary]:
    """Counts the dead letters of each topic, by reading them. Raises `KafkaError`, `NoSuchTopic`."""
    async with _member(kafka, topics) as (consumer, partitions):
        consumer.assign(list(partitions.values()))
        for partition, oldest in (await consumer.beginning_offsets(list(partitions.values()))).items():
            consumer.seek(partition, oldest)
        follower = Follower(consumer, await consumer.end_offsets(list(partitions.values())))
        retried = {partition.topic: await consumer.committed(partition) or 0 for partition in partitions.values()}
        reasons: dict[str, Counter[str]] = {partition.topic: Counter() for partition in partitions.values()}
        waiting: Counter[str] = Counter()
        async for records in follower.up_to_now():
            for record in records:
                reasons[record.topic][letter_of(record).reason] += 1
                waiting[record.topic] += record.offset >= retried[record.topic]
        return [
            Summary(topic.name, reasons[of].total(), waiting[of], dict(reasons[of].most_common()))
            for topic, of in ((topic, partition.topic) for topic, partition in partitions.items())
        ]


async def retried_below(kafka: KafkaSettings, topic: Topic) -> int:
    """Every dead letter below this offset was sent again once. Raises `KafkaError`, `NoSuchTopic`."""
    async with _member(kafka, (topic,)) as (consumer, partitions):
        return await consumer.committed(partitions[topic]) or 0


async def retry(kafka: KafkaSettings, topic: Topic, chosen: list[Letter], *, remember: bool) -> None:
    """Sends letters to the topic that they came from: same key, value and headers, without the `dlq_*` ones.

    1. All are acknowledged by the broker. 2. With `remember`, the group's offset moves past the last one.
    A crash in between sends them again at the next retry, which their deterministic ids make harmless.
    Raises `KafkaError`, `NoSuchTopic`.
    """
    producer = new_producer(kafka, "observatory-dlq")
    await producer.start()
    try:
        sent = [await producer.send(_target(kafka, topic), *_parts(letter.record)) for letter in chosen]
        for future in sent:
            await future
    finally:
        await producer.stop()
    if remember:
        await _remember(kafka, topic, max(letter.record.offset for letter in chosen) + 1)


def _target(kafka: KafkaSettings, topic: Topic) -> str:
    return kafka.topic_prefix + topic.name


def _parts(record: Record) -> tuple[bytes | None, bytes | None, None, None, list[tuple[str, bytes]]]:
    """Value, key, partition and timestamp (the broker's to choose) and headers, as `send` takes them."""
    headers = [(name, value) for name, value in record.headers if not name.startswith("dlq_")]
    return record.value, record.key, None, None, headers


async def _remember(kafka: KafkaSettings, topic: Topic, below: int) -> None:
    async with _member(kafka, (topic,)) as (consumer, partitions):
        if below > (await consumer.committed(partitions[topic]) or 0):
            await consumer.commit({partitions[topic]: below})


@asynccontextmanager
async def _member(
    kafka: KafkaSettings, topics: Sequence[Topic]
) -> AsyncIterator[tuple[AIOKafkaConsumer, Mapping[Topic, TopicPartition]]]:
    """A consumer under the group's name that never joins it, and the one partition of each topic's dead letters."""
    consumer = new_consumer(kafka, "observatory-dlq", group_id=kafka.topic_prefix + RETRIED_GROUP)
    try:
        await consumer.start()
        existing = await consumer.topics()
        partitions = {topic: TopicPartition(kafka.topic_prefix + topic.dlq, 0) for topic in topics}
        if missing := sorted({partition.topic for partition in partitions.values()} - existing):
            raise NoSuchTopic(f"there is no topic {missing[0]!r} ('observatory migrate' creates ours)")
        consumer.assign(list(partitions.values()))
        yield consumer, partitions
    finally:
        await consumer.stop()


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and _NUMBER.fullmatch(text) else None
