"""Where records go is where Kafka's own clients put them."""

from __future__ import annotations

from aiokafka import TopicPartition
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from observatory.adapters.partitions import partition_by_key, partition_for

DEFAULT = DefaultPartitioner()


@given(st.binary(max_size=80), st.integers(1, 64))
def test_a_key_has_the_partition_that_every_client_gives_it(key: bytes, count: int) -> None:
    numbers = list(range(count))
    assert partition_by_key(key, numbers, []) == DEFAULT(key, numbers, [])


@given(st.text(max_size=20), st.permutations(range(8)))
def test_a_reader_finds_it_there_in_whatever_order_partitions_are_told(key: str, numbers: list[int]) -> None:
    partitions = [TopicPartition("topic", number) for number in numbers]
    assert partition_for(key, partitions).partition == DEFAULT(key.encode(), list(range(8)), [])


def test_without_a_key_any_partition_that_is_led_is_taken() -> None:
    taken = {partition_by_key(None, [0, 1, 2, 3], [1, 2]) for _ in range(100)}
    assert taken == {1, 2}
    assert partition_by_key(None, [3], []) == 3
