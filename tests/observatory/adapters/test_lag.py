"""How far groups are behind, by the broker's own word."""

from __future__ import annotations

from uuid import uuid4

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError

from observatory.adapters.kafka import create_topics, new_consumer, new_producer
from observatory.adapters.lag import Lag, read_lags, retried_letters, working_groups
from observatory.adapters.settings import KafkaSettings
from schemas.topics import LLM_CALLS
from tests.stack import LiveStack


@pytest.fixture
async def kafka(stack: LiveStack) -> KafkaSettings:
    own = KafkaSettings().model_copy(update={"bootstrap": stack.kafka, "topic_prefix": f"{uuid4().hex[:8]}."})
    await create_topics(own)
    return own


async def test_what_is_not_committed_is_behind_of_every_group(kafka: KafkaSettings) -> None:
    topic, group = kafka.topic_prefix + LLM_CALLS.name, kafka.topic_prefix + "ledger"
    producer = new_producer(kafka, "test")
    await producer.start()
    for partition in (0, 0, 0, 1):
        await producer.send_and_wait(topic, b"{}", partition=partition)
    await producer.send_and_wait(kafka.topic_prefix + LLM_CALLS.dlq, b"{}")
    await producer.stop()
    consumer = new_consumer(kafka, "test", group_id=group)
    await consumer.start()
    consumer.assign([TopicPartition(topic, 0)])
    await consumer.commit({TopicPartition(topic, 0): 2})
    await consumer.stop()

    working, letters = working_groups(kafka, [LLM_CALLS.name]), retried_letters(kafka)
    found = await read_lags(kafka, [*working, *letters])

    assert [(lag.group, lag.topic) for lag in found] == [*working, *letters]
    assert Lag(group, topic, 2) in found
    assert Lag(kafka.topic_prefix + "streams", topic, 4) in found
    assert {lag.topic: lag.records for lag in found if lag.records and lag.topic.endswith(".dlq")} == {
        f"{topic}.dlq": 1
    }


async def test_a_topic_that_is_not_there_is_an_error(kafka: KafkaSettings) -> None:
    with pytest.raises(UnknownTopicOrPartitionError, match="nothing"):
        await read_lags(kafka, [("ledger", "nothing")])
