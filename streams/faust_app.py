"""Faust as we use it: it joins the group, follows rebalances and brings batches; positions are the database's.

Three of its habits are changed, through the classes that it offers for that: a partition is read from where our states
are, never from the group's commits; a commit that fails is logged and ends nothing; and no producer, table or web
server is started, since none is used.
"""

import logging
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar, cast

import faust
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord, OffsetAndMetadata
from faust.app.base import BootStrategy
from faust.transport.drivers import aiokafka as driver

from observatory.adapters.kafka import Record, new_consumer
from observatory.adapters.settings import Settings

log = logging.getLogger(__name__)

BATCH = 2_000
WITHIN_S = 0.1
"""A batch is brought when it is full or so long after its first record."""

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
        )

    async def _commit(self, offsets: Mapping[Any, int]) -> bool:
        """For lag monitors. A commit that fails is made good by the next one."""
        consumer = self._ensure_consumer()
        mine = consumer.assignment()
        wanted = {TopicPartition(*tp): OffsetAndMetadata(offset, "") for tp, offset in offsets.items()}
        try:
            await consumer.commit({tp: offset for tp, offset in wanted.items() if tp in mine})
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
            stream_buffer_maxsize=4096,
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
            await self.take([_record(event.message) for event in events])

    async def seek(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Has partitions read from these offsets on."""
        await self.consumer.seek_wait(cast(Any, offsets))

    @property
    def kafka_consumer(self) -> AIOKafkaConsumer | None:
        """The client inside, to be asked about high-water marks and polls only."""
        return cast(_Consumer, self.consumer)._thread._consumer


def _record(message: Any) -> Record:
    """A record as aiokafka has it, from Faust's message."""
    key, value = message.key, message.value
    return ConsumerRecord(
        message.topic, message.partition, message.offset, round(message.timestamp * 1000), message.timestamp_type,
        key, value, message.checksum, message.serialized_key_size, message.serialized_value_size,
        tuple(message.headers or ()),
    )  # fmt: skip
