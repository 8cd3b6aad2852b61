"""Reads again what `chat.responses` holds of one request: for those who come back after their connection was cut."""

from collections.abc import AsyncGenerator, AsyncIterator

from aiokafka import AIOKafkaConsumer, TopicPartition

from observatory.adapters.answer_records import Heard, Position, address_of, assign, heard_in
from observatory.adapters.kafka import Record, new_consumer, topic_name
from observatory.adapters.settings import KafkaSettings
from schemas.topics import CHAT_RESPONSES

POLL_MS = 1000


async def replay(
    settings: KafkaSettings, client_id: str, tenant_id: str, request_id: str, begin: Position, end: int
) -> AsyncGenerator[Heard, None]:
    """What the partition holds of one request from `begin` up to, not including, the offset `end`.

    The record at `begin` is read even when `end`, where some listener stands, is not behind it yet.
    A short-lived consumer reads it. Raises `KafkaError` when the broker is away, `ValueError` for no such partition.
    """
    consumer = new_consumer(settings, client_id)
    try:
        await consumer.start()
        topic = topic_name(settings, CHAT_RESPONSES)
        partition = TopicPartition(topic, begin.partition)
        if partition not in await assign(consumer, topic, begin.partition):
            raise ValueError(f"there is no partition {begin.partition}")
        oldest = (await consumer.beginning_offsets([partition]))[partition]
        newest = (await consumer.end_offsets([partition]))[partition]
        end = max(end, min(begin.offset + 1, newest))
        consumer.seek(partition, max(begin.offset, oldest))
        async for record in _up_to(consumer, partition, end):
            heard = heard_in(record) if address_of(record) == (tenant_id, request_id) else None
            if heard is not None:
                yield heard
    finally:
        await consumer.stop()


async def offset_at(settings: KafkaSettings, client_id: str, partition: int, time_ms: int) -> int | None:
    """The first offset of `chat.responses` at or after a time (ms since 1970), or None. Raises `KafkaError`."""
    consumer = new_consumer(settings, client_id)
    try:
        await consumer.start()
        place = TopicPartition(topic_name(settings, CHAT_RESPONSES), partition)
        await assign(consumer, place.topic, partition)
        found = (await consumer.offsets_for_times({place: time_ms}))[place]
        return None if found is None else int(found.offset)
    finally:
        await consumer.stop()


async def _up_to(consumer: AIOKafkaConsumer, partition: TopicPartition, end: int) -> AsyncIterator[Record]:
    while await consumer.position(partition) < end:
        batches = await consumer.getmany(timeout_ms=POLL_MS)
        for record in batches.get(partition, ()):
            if record.offset < end:
                yield record
