"""A client of the topics: publishes until the broker has acknowledged, and reads in the end what was answered."""

import asyncio
import hashlib
import os
from uuid import UUID

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.chat import ChatCompleted, ChatFailed, ChatRequested
from schemas.topics import CHAT_REQUESTS, CHAT_RESPONSES, MAX_RECORD_BYTES

AGAIN_S = 0.5
PREFIX = os.environ.get("OBSERVATORY_TOPIC_PREFIX", "")
OUTCOMES = (ChatCompleted.ce_type, ChatFailed.ce_type)

Positions = dict[TopicPartition, int]


class TopicClient:
    """Publishes requests. An unsure publication is repeated under the same request id: it is answered once."""

    def __init__(self, kafka: str) -> None:
        self._kafka = kafka
        self._producer = AIOKafkaProducer(
            bootstrap_servers=kafka, acks="all", enable_idempotence=True, max_request_size=MAX_RECORD_BYTES
        )
        self.acknowledged: set[UUID] = set()

    async def start(self) -> None:
        """Connects."""
        await self._producer.start()

    async def stop(self) -> None:
        """Disconnects."""
        await self._producer.stop()

    async def ask(self, request: ChatRequested) -> None:
        """Returns when the broker holds the request, however long that takes."""
        key = (request.conversation_id or str(request.request_id)).encode()
        while True:
            try:
                await self._producer.send_and_wait(PREFIX + CHAT_REQUESTS.name, request.to_json(), key=key)
                break
            except KafkaError:
                await asyncio.sleep(AGAIN_S)
        self.acknowledged.add(request.request_id)


async def ends(kafka: str) -> Positions:
    """Where `chat.responses` ends now."""
    consumer = await _consumer(kafka)
    try:
        found: Positions = await consumer.end_offsets(_partitions())
        return found
    finally:
        await consumer.stop()


async def outcomes_since(kafka: str, start: Positions) -> dict[UUID, set[bytes]]:
    """The distinct outcomes of each request, as digests, from those positions on up to now."""
    consumer = await _consumer(kafka)
    try:
        consumer.assign(_partitions())
        end: Positions = await consumer.end_offsets(_partitions())
        for partition, offset in start.items():
            consumer.seek(partition, offset)
        found: dict[UUID, set[bytes]] = {}
        while any([await consumer.position(partition) < end[partition] for partition in end]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    if dict(record.headers).get("ce_type", b"").decode() in OUTCOMES:
                        request_id = UUID(_request_id(record.value))
                        found.setdefault(request_id, set()).add(hashlib.sha256(record.value or b"").digest())
        return found
    finally:
        await consumer.stop()


def _request_id(body: bytes | None) -> str:
    """Every body of ours begins with it."""
    return (body or b"").split(b'"', 5)[3].decode()


def _partitions() -> list[TopicPartition]:
    return [TopicPartition(PREFIX + CHAT_RESPONSES.name, number) for number in range(CHAT_RESPONSES.partitions)]


async def _consumer(kafka: str) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka, enable_auto_commit=False, max_partition_fetch_bytes=MAX_RECORD_BYTES
    )
    await consumer.start()
    return consumer
