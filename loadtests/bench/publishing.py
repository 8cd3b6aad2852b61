"""Publishes very many records fast: whole batches, one partition after the other."""

import asyncio
from collections.abc import Iterable, Iterator
from itertools import islice

from aiokafka import AIOKafkaProducer

from loadtests.bench.problems import BenchError
from schemas.envelope import Headers
from schemas.topics import Topic

BATCH = 500
RECORD_BYTES = 4_000

Event = tuple[bytes, bytes, Headers]
"""Key, body and headers of a record."""


async def publish(kafka: str, topic: Topic, events: Iterable[Event]) -> None:
    """Publishes them, `BATCH` in a row to each partition in turn; acknowledged when it returns. Raises `BenchError`."""
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka, acks="all", compression_type="lz4", max_batch_size=BATCH * RECORD_BYTES
    )
    await producer.start()
    try:
        sent: list[asyncio.Future[object]] = []
        for number, records in enumerate(_in_batches(events)):
            batch = producer.create_batch()
            for key, body, headers in records:
                if batch.append(timestamp=None, key=key, value=body, headers=list(headers)) is None:
                    raise BenchError(f"an event is longer than {RECORD_BYTES} bytes")
            sent.append(await producer.send_batch(batch, topic.name, partition=number % topic.partitions))
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


def _in_batches(events: Iterable[Event]) -> Iterator[list[Event]]:
    left = iter(events)
    while records := list(islice(left, BATCH)):
        yield records
