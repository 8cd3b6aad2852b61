"""How far consumer groups are behind: by topic, from what they committed and where the topics end."""

from collections.abc import Sequence
from dataclasses import dataclass

from observatory.adapters.kafka import new_consumer
from observatory.adapters.settings import KafkaSettings
from observatory.cli.following import partitions_of


@dataclass(frozen=True, slots=True)
class Lag:
    """Records of a topic that a group has not committed yet."""

    group: str
    topic: str
    records: int


async def read_lags(settings: KafkaSettings, groups: Sequence[tuple[str, str]]) -> list[Lag]:
    """The lag of each group on its topic (both as the broker knows them). Raises `KafkaError`."""
    return [await _lag(settings, group, topic) for group, topic in groups]


async def _lag(settings: KafkaSettings, group: str, topic: str) -> Lag:
    # A member that never joins: committed offsets are read, nobody is rebalanced.
    consumer = new_consumer(settings, "observatory-cli", group_id=group)
    await consumer.start()
    try:
        partitions = await partitions_of(consumer, topic)
        ends = await consumer.end_offsets(partitions)
        starts = await consumer.beginning_offsets(partitions)
        behind = 0
        for partition in partitions:
            committed = await consumer.committed(partition)
            behind += ends[partition] - max(committed or 0, starts[partition])
        return Lag(group, topic, behind)
    finally:
        await consumer.stop()
