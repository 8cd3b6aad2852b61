"""Whoever is cancelled while a Kafka client stops learns of it, and the client has stopped."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import TopicPartition

from observatory.adapters.kafka import create_topics, new_consumer, new_producer, topic_name
from observatory.adapters.settings import KafkaSettings
from schemas.topics import LLM_CALLS
from tests.stack import LiveStack

TURNS = (1, 2, 3, 5, 8)  # of the event loop that a stop has had


@pytest.fixture
async def settings(stack: LiveStack) -> KafkaSettings:
    own = KafkaSettings().model_copy(
        update={"bootstrap": stack.kafka, "topic_prefix": f"{uuid4().hex[:12]}.", "replication_factor": 1}
    )
    await create_topics(own)
    return own


async def reading(settings: KafkaSettings, topic: str) -> Any:
    consumer = new_consumer(settings, "stopped")
    await consumer.start()
    consumer.assign([TopicPartition(topic, 0)])
    await consumer.getmany(timeout_ms=1)
    return consumer


async def writing(settings: KafkaSettings, topic: str) -> Any:
    producer = new_producer(settings, "stopped")
    await producer.start()
    await producer.send(topic, b"{}")
    return producer


@pytest.mark.parametrize("kind", ["consumer", "producer"])
async def test_a_cancellation_is_not_lost(settings: KafkaSettings, kind: str) -> None:
    topic = topic_name(settings, LLM_CALLS)
    for turns in TURNS:
        client = await (reading(settings, topic) if kind == "consumer" else writing(settings, topic))
        stopping = asyncio.create_task(client.stop())
        for _ in range(turns):
            await asyncio.sleep(0)
        if not stopping.cancel():
            break
        with pytest.raises(asyncio.CancelledError):
            await stopping
        assert client._closed
