"""Topics and a database of a test's own, the stream workers on them, and what their states must be."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import TopicPartition

from observatory.adapters.kafka import new_consumer
from observatory.adapters.postgres.streams import Input, stored_offsets
from schemas.topics import Topic
from streams.app import main
from streams.engine.comparison import FoldComparison, compare
from streams.engine.fold import Relay
from streams.engine.states import AnyFold
from streams.folds.catalogue import FOLDS, RELAYS
from tests import forking
from tests.forking import Program
from tests.streams.ledger.ground import Ground


@dataclass(frozen=True)
class StreamGround(Ground):
    """One test's Kafka topics and database, with stream workers as a task or as processes."""

    @asynccontextmanager
    async def workers(self, folds: Sequence[AnyFold] = FOLDS, relays: Sequence[Relay] = RELAYS) -> AsyncIterator[None]:
        """A stream worker as a task; stopped at the end, and whatever it raised is raised."""
        stop = asyncio.Event()
        task = asyncio.create_task(main(self.settings, stop, folds, relays))
        try:
            yield
        finally:
            stop.set()
            await task

    def worker_process(self, number: int = 1, **settings: str) -> Program:
        """A stream worker as a process, with these variables besides, which the test has to end."""
        environment = {
            **os.environ,
            "OBSERVATORY_KAFKA": self.settings.kafka.bootstrap,
            "OBSERVATORY_TOPIC_PREFIX": self.settings.kafka.topic_prefix,
            "OBSERVATORY_DATABASE_URL": self.settings.database_url,
            "OBSERVATORY_LOG_LEVEL": "WARNING",
            "OBSERVATORY_INSTANCE": f"streams-test-{number}",
            **settings,
        }
        return forking.start("streams.app", environment)

    async def until_streamed(self, folds: Sequence[AnyFold] = FOLDS, relays: Sequence[Relay] = ()) -> None:
        """Returns when every fold has applied all that is in its topics now, after what the relays send on."""
        if relays:  # a consumer that is stopped before it ran ends in being cancelled
            await self._until_applied([(relay.sink, relay.input) for relay in relays])
        await self._until_applied([(fold.sink, topic) for fold in folds for topic in fold.inputs])

    async def _until_applied(self, readers: Sequence[tuple[str, Topic]]) -> None:
        if not readers:
            return  # a client that is stopped as soon as it has started raises
        consumer = new_consumer(self.settings.kafka, "test")
        await consumer.start()
        try:
            ends: dict[Input, int] = {}
            for sink, topic in readers:
                name = self.settings.kafka.topic_prefix + topic.name
                partitions = [TopicPartition(name, part) for part in range(topic.partitions)]
                for tp, end in (await consumer.end_offsets(partitions)).items():
                    ends[Input(sink, topic.name, tp.partition)] = end
        finally:
            await consumer.stop()
        await self.until(lambda: self._applied_up_to(ends))

    async def _applied_up_to(self, ends: dict[Input, int]) -> bool:
        sinks, topics = sorted({e.sink for e in ends}), sorted({e.topic for e in ends})
        stored = await stored_offsets(self.pool, sinks, topics)
        return all(source in stored and stored[source].next_offset >= end for source, end in ends.items())

    async def compared(self, folds: Sequence[AnyFold] = FOLDS) -> dict[str, FoldComparison]:
        """Stored states against the folds run once over the topics."""
        consumer = new_consumer(self.settings.kafka, "test")
        await consumer.start()
        try:
            found = await compare(self.pool, consumer, self.settings.kafka.topic_prefix, folds)
        finally:
            await consumer.stop()
        return {one.fold: one for one in found}
