"""How far consumer groups are behind: by topic, from what they committed and where the topics end."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, for_code

from observatory.adapters.kafka import new_admin, new_consumer, topic_name
from observatory.adapters.settings import KafkaSettings
from schemas.topics import CHAT_REQUESTS, LLM_CALLS, TOPICS, topic_named

CHAT_GROUP, LEDGER_GROUP, STREAMS_GROUP, RETRIED_GROUP = "chat-workers", "ledger", "streams", "observatory-dlq"
"""Without the topics' prefix, which they all carry. What the last has committed of dead letters was sent again."""

COORDINATOR_S = 4.0

GroupTopic = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Lag:
    """Records of a topic that a group has not committed yet."""

    group: str
    topic: str
    records: int


def working_groups(kafka: KafkaSettings, streamed: Iterable[str]) -> list[GroupTopic]:
    """Each group of ours and a topic that it reads; `streamed` are the topics of the stream processors."""
    prefix = kafka.topic_prefix
    return [
        (prefix + CHAT_GROUP, topic_name(kafka, CHAT_REQUESTS)),
        (prefix + LEDGER_GROUP, topic_name(kafka, LLM_CALLS)),
        *((prefix + STREAMS_GROUP, topic_name(kafka, topic_named(name))) for name in streamed),
    ]


def retried_letters(kafka: KafkaSettings) -> list[GroupTopic]:
    """The dead letters of every topic: what is behind there was not sent again."""
    return [(kafka.topic_prefix + RETRIED_GROUP, kafka.topic_prefix + topic.dlq) for topic in TOPICS]


async def read_lags(kafka: KafkaSettings, groups: Sequence[GroupTopic]) -> list[Lag]:
    """The lag of each group on its topic (both as the broker knows them). Raises `KafkaError`."""
    # Neither joins a group: committed offsets are read, nobody is rebalanced.
    admin, consumer = new_admin(kafka, "observatory-lag"), new_consumer(kafka, "observatory-lag")
    try:
        await admin.start()
        await consumer.start()
        partitions: dict[str, list[TopicPartition]] = {}
        for described in await admin.describe_topics(sorted({topic for _, topic in groups})):
            if described["error_code"]:
                raise for_code(described["error_code"])(described["topic"])
            name = described["topic"]
            partitions[name] = [TopicPartition(name, part["partition"]) for part in described["partitions"]]
        all_of_them = [partition for some in partitions.values() for partition in some]
        # Of topics that are assigned it knows at once who leads their partitions; paused, it reads nothing of them.
        consumer.assign(all_of_them)
        consumer.pause(*all_of_them)
        ends = await consumer.end_offsets(all_of_them)
        starts = await consumer.beginning_offsets(all_of_them)
        committed: dict[str, Mapping[TopicPartition, int]] = {}
        for group in dict.fromkeys(group for group, _ in groups):
            committed[group] = await _committed(admin, group)
        return [
            Lag(group, topic, sum(ends[p] - max(committed[group].get(p, 0), starts[p]) for p in partitions[topic]))
            for group, topic in groups
        ]
    finally:
        await consumer.stop()
        await admin.close()


async def _committed(admin: AIOKafkaAdminClient, group: str) -> dict[TopicPartition, int]:
    """What a group has committed. A broker that never had a group needs a moment before it can tell of one."""
    end = time.monotonic() + COORDINATOR_S
    while True:
        try:
            offsets = await admin.list_consumer_group_offsets(group)
            return {partition: found.offset for partition, found in offsets.items()}
        except GroupCoordinatorNotAvailableError:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.1)
