"""The dead letters of a topic: what could not be read, why, and sending it again to where it came from.

What was sent again is remembered as the offset that the group `observatory-dlq` has committed on the dead letters'
topic: everything below it was retried.
"""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, TopicPartition

from observatory.adapters.kafka import Record, new_consumer, new_producer
from observatory.adapters.lag import RETRIED_GROUP
from observatory.adapters.settings import KafkaSettings
from observatory.cli.following import follow, partitions_of
from observatory.cli.outside import kafka_problems
from observatory.cli.problems import Problem, wrong_usage
from schemas.topics import DLQ_SUFFIX, TOPICS, Topic


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
    """A topic of the catalogue by its name or by that of its dead letters. Raises `Problem`."""
    wanted = name.removesuffix(DLQ_SUFFIX)
    for topic in TOPICS:
        if topic.name == wanted:
            return topic
    raise wrong_usage(f"there is no topic {name!r}; there are {', '.join(topic.name for topic in TOPICS)}")


async def letters(kafka: KafkaSettings, topic: Topic) -> AsyncIterator[Letter]:
    """All dead letters that a topic has now, in order. Raises `Problem`."""
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


async def summary(kafka: KafkaSettings, topic: Topic) -> Summary:
    """Counts a topic's dead letters. Raises `Problem`."""
    retried = await retried_below(kafka, topic)
    reasons: Counter[str] = Counter()
    waiting = 0
    async for letter in letters(kafka, topic):
        reasons[letter.reason] += 1
        waiting += letter.record.offset >= retried
    return Summary(topic.name, reasons.total(), waiting, dict(reasons.most_common()))


async def retried_below(kafka: KafkaSettings, topic: Topic) -> int:
    """Every dead letter below this offset was sent again once. Raises `Problem`."""
    with kafka_problems(kafka):
        consumer, partition = await _group_member(kafka, topic)
        try:
            return await consumer.committed(partition) or 0
        finally:
            await consumer.stop()


async def retry(kafka: KafkaSettings, topic: Topic, chosen: list[Letter], *, remember: bool) -> None:
    """Sends letters to the topic that they came from: same key, value and headers, without the `dlq_*` ones.

    1. All are acknowledged by the broker. 2. With `remember`, the group's offset moves past the last one.
    A crash in between sends them again at the next retry, which their deterministic ids make harmless.
    """
    with kafka_problems(kafka):
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
    consumer, partition = await _group_member(kafka, topic)
    try:
        if below > (await consumer.committed(partition) or 0):
            await consumer.commit({partition: below})
    finally:
        await consumer.stop()


async def _group_member(kafka: KafkaSettings, topic: Topic) -> tuple[AIOKafkaConsumer, TopicPartition]:
    """A consumer under the group's name that never joins it, and the one partition of the dead letters."""
    consumer = new_consumer(kafka, "observatory-dlq", group_id=kafka.topic_prefix + RETRIED_GROUP)
    await consumer.start()
    try:
        partitions = await partitions_of(consumer, kafka.topic_prefix + topic.dlq)
        if len(partitions) != 1:
            raise Problem(f"{topic.dlq} has {len(partitions)} partitions; it is made with one")
        consumer.assign(partitions)
    except BaseException:
        await consumer.stop()
        raise
    return consumer, partitions[0]


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None
