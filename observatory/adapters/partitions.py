"""In which partition a key's records stand: Kafka's default way, murmur2, as all our producers go."""

import random
from collections.abc import Sequence
from functools import lru_cache

from aiokafka import TopicPartition
from aiokafka.partitioner import murmur2

_hash_of = lru_cache(4096)(murmur2)
"""Records about one request share a key, and hashing one takes as long as all else that is done to send a record."""


def partition_by_key(key: bytes | None, partitions: Sequence[int], available: Sequence[int]) -> int:
    """One of a topic's partitions, which are in order; without a key any that is available."""
    if key is None:
        return random.choice(available or partitions)  # noqa: S311  # no secret
    hashed: int = _hash_of(key)
    return partitions[(hashed & 0x7FFFFFFF) % len(partitions)]


def partition_for(key: str, partitions: Sequence[TopicPartition]) -> TopicPartition:
    """The one of a topic's partitions that has the records with this key."""
    ordered = sorted(partitions, key=lambda tp: tp.partition)
    numbers = [tp.partition for tp in ordered]
    return ordered[numbers.index(partition_by_key(key.encode(), numbers, numbers))]
