"""In which partition a key's records stand: Kafka's default way, murmur2, as all our producers go."""

from collections.abc import Sequence

from aiokafka import TopicPartition
from aiokafka.partitioner import DefaultPartitioner

_partition_for_key = DefaultPartitioner()


def partition_for(key: str, partitions: Sequence[TopicPartition]) -> TopicPartition:
    """The one of a topic's partitions that has the records with this key."""
    ordered = sorted(partitions, key=lambda tp: tp.partition)
    numbers = [tp.partition for tp in ordered]
    chosen: int = _partition_for_key(key.encode(), numbers, numbers)
    return ordered[numbers.index(chosen)]
