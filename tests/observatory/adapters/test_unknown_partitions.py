"""A group that was assigned before the broker knew of any partition reads them soon after it does."""

import asyncio
from uuid import uuid4

from observatory.adapters.kafka import create_topics, new_consumer, new_producer, topic_name
from observatory.adapters.settings import KafkaSettings
from schemas.topics import LLM_CALLS
from tests.stack import LiveStack

SOON_S = 20.0


async def test_partitions_that_were_unknown_when_a_group_was_assigned_are_read_soon(stack: LiveStack) -> None:
    settings = KafkaSettings().model_copy(
        update={"bootstrap": stack.kafka, "topic_prefix": f"{uuid4().hex[:12]}.", "replication_factor": 1}
    )
    topic = topic_name(settings, LLM_CALLS)
    consumer = new_consumer(settings, "early", group_id=f"early-{uuid4().hex}")
    producer = new_producer(settings, "late")
    await consumer.start()
    await producer.start()
    try:
        consumer.subscribe([topic])
        assert await consumer.getmany(timeout_ms=4_000) == {}
        assert consumer.assignment() == set()
        await create_topics(settings)
        await producer.send_and_wait(topic, b"{}")
        async with asyncio.timeout(SOON_S):
            while not await consumer.getmany(timeout_ms=200):
                pass
    finally:
        await producer.stop()
        await consumer.stop()
