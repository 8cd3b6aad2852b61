"""Faust as we use it: it joins the group, follows rebalances and brings batches; positions are the database's.

Some of its habits are changed, through the classes that it offers for that. A partition is read from where our states
are, never from the group's commits, which tell lag monitors how far the states are. What one poll brings of a partition
passes through Faust as one message, whose value is the list of records: its work for each message, ten times ours for
each record, is then done once a poll. No producer, table or web server is started, since none is used.
"""

import asyncio
import logging
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, cast

import faust
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.app.base import BootStrategy
from faust.transport.drivers import aiokafka as driver
from faust.types import ConsumerMessage

from observatory.adapters.kafka import Record, new_consumer
from observatory.adapters.settings import Settings

log = logging.getLogger(__name__)

POLLED = 500
"""Records of one poll."""

FEW = 250
PACE_S = 0.2
"""The least time after a poll that brought few: a transaction costs as much for one record as for some dozens."""

BATCH = 48
WITHIN_S = 0.05
"""What so many polls brought of one partition makes a batch, or what came so long after the first."""

FETCH_WAIT_MS = 100

Place = Callable[[set[TopicPartition]], Awaitable[dict[TopicPartition, int]]]
Take = Callable[[Sequence[Record]], Awaitable[None]]


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's thread around a consumer with our settings."""

    def _create_worker_consumer(self, transport: object) -> AIOKafkaConsumer:
        app = cast(StreamsApp, self.app)
        self._assignor = cast(Any, RangePartitionAssignor)
        return new_consumer(
            app.settings.kafka,
            app.owner,
            group_id=app.conf.id,
            instance=app.settings.instance or None,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            # Partitions of one number belong together, whatever their topic: folds join them.
            assignor=RangePartitionAssignor,
            max_poll_records=POLLED,
        )

    async def _commit(self, _offsets: Mapping[Any, int]) -> bool:
        """Tells how far the states are, whatever Faust counts. A commit that fails is made good by the next one."""
        consumer = self._ensure_consumer()
        mine, applied = consumer.assignment(), cast(StreamsApp, self.app).applied()
        wanted = {tp: OffsetAndMetadata(offset, "") for tp, offset in applied.items() if tp in mine}
        try:
            if wanted:
                await consumer.commit(wanted)
        except KafkaError as error:
            log.info("offsets for lag monitors not committed: %s", error)
            return False
        return True


class _Consumer(driver.Consumer):
    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def seek_to_committed(self) -> Mapping[Any, int]:
        """Seeks each assigned partition to where the database says that it is applied."""
        app = cast(StreamsApp, self.app)
        starts = await app.place({TopicPartition(*tp) for tp in self.assignment()})
        if starts:
            await self.seek_wait(cast(Any, starts))
            log.info("reading from %s", {f"{tp.topic}/{tp.partition}": offset for tp, offset in sorted(starts.items())})
        return starts

    _next_poll_at = 0.0

    async def _wait_next_records(self, timeout: float) -> tuple[Any, Any]:
        await asyncio.sleep(max(0.0, self._next_poll_at - time.monotonic()))
        polled, active = await super()._wait_next_records(timeout)
        few = sum(map(len, (polled or {}).values())) < FEW
        self._next_poll_at = time.monotonic() + PACE_S if few else 0.0
        return {tp: [records] for tp, records in (polled or {}).items() if records}, active

    async def _add_gap(self, tp: Any, offset_from: int, offset_to: int) -> None:
        """Nothing: offsets without a message are those of records that stand before the last one of a poll."""

    async def _commit_tps(self, tps: Iterable[Any], start_new_transaction: bool) -> bool:
        """Commits when anything was acknowledged since; which offsets, `_ConsumerThread` knows."""
        acknowledged = list(tps)
        for tp in acknowledged:
            self._acked[tp].clear()
            self._acked_index[tp].clear()
        return bool(acknowledged) and await self._commit({})

    def _to_message(self, tp: Any, record: Any) -> ConsumerMessage:
        """All records of a poll as one message, which stands where the last of them does."""
        last = record[-1]
        return ConsumerMessage(
            last.topic, last.partition, last.offset, last.timestamp / 1000, last.timestamp_type, None, None,
            record, None, 0, 0, tp, generation_id=self.app.consumer_generation_id,
        )  # fmt: skip


class _Transport(driver.Transport):
    Consumer: ClassVar[Any] = _Consumer


class _Boot(BootStrategy):
    enable_web = False
    enable_kafka_producer = False


class StreamsApp(faust.App):
    """One agent over all topics; `place` tells where partitions are read from, `take` gets batches of records."""

    BootStrategy: ClassVar[Any] = _Boot

    def __init__(self, settings: Settings, owner: str, group: str, topics: Sequence[str]) -> None:
        self.settings, self.owner = settings, owner
        self.place: Place
        self.take: Take
        self.applied: Callable[[], Mapping[TopicPartition, int]]
        super().__init__(
            settings.kafka.topic_prefix + group,
            broker=f"kafka://{settings.kafka.bootstrap}",
            store="memory://",
            datadir=tempfile.mkdtemp(prefix="observatory-streams-"),
            processing_guarantee="at_least_once",
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=False,
            stream_wait_empty=True,
            stream_buffer_maxsize=BATCH,
            broker_commit_interval=1.0,
            broker_request_timeout=60.0,
            broker_session_timeout=10.0,
        )
        self.agent(self.topic(*topics, key_type=bytes, value_type=bytes, value_serializer="raw", key_serializer="raw"))(
            self._agent
        )

    def _new_transport(self) -> _Transport:
        return _Transport(self.conf.broker_consumer, self)

    async def _agent(self, stream: Any) -> None:
        async for events in stream.take_events(BATCH, within=WITHIN_S):
            await self.take([record for event in events for record in event.value])

    async def seek(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Has partitions read from these offsets on."""
        await self.consumer.seek_wait(cast(Any, offsets))

    @property
    def kafka_consumer(self) -> AIOKafkaConsumer | None:
        """The client inside, to be asked about high-water marks and polls only."""
        return cast(_Consumer, self.consumer)._thread._consumer
