"""Reads `chat.requests`: deliveries to the queue, bad records to the dead letters, offsets up to the first unfinished.

The window of finished requests behind an unfinished one is bounded: past `MAX_SPAN` its partition waits.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from itertools import chain

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from observatory.adapters.kafka import Publisher, Record, Unreadable, new_consumer, read_event, topic_name
from observatory.adapters.settings import Settings
from observatory.adapters.tracing import Tracing
from observatory.rules.positions import OffsetTracker
from schemas.chat import ChatRequested
from schemas.topics import CHAT_REQUESTS
from workers.chat.delivery import Delivery, delivery_of
from workers.chat.metrics import DEAD_LETTERS
from workers.chat.queue import RequestQueue

log = logging.getLogger(__name__)

GROUP = "chat-workers"
MAX_SPAN = 5_000
COMMIT_EVERY_S = 1.0
POLL_MS = 200
FULL_PAUSE_S = 0.02
LONGEST_SILENCE_S = 30.0
"""While enough waits nothing is polled, which keeps what was fetched (a paused partition would fetch it again); but a
member of a group that polls too rarely is thrown out of it."""
REST_S_EACH = 0.0025
LONGEST_REST_S = 0.04
"""After a poll no other one is made while answering what came keeps this process busy: what comes meanwhile is fetched,
claimed, called and settled together, at a fraction of the cost. One that comes alone delays nobody."""
RETRY_PAUSE_S = 1.0


class Intake(ConsumerRebalanceListener):
    """Fills the queue; `wake` is set when something came."""

    def __init__(
        self, settings: Settings, publisher: Publisher, tracing: Tracing, queue: RequestQueue, wake: asyncio.Event
    ) -> None:
        self._publisher, self._tracing, self._queue, self._wake = publisher, tracing, queue, wake
        self._default_deadline_s = settings.chat.deadline_s
        self._limit = settings.chat.concurrency * 2
        self._trackers: dict[int, OffsetTracker] = {}
        self._rebalances = 0
        self._topic = topic_name(settings.kafka, CHAT_REQUESTS)
        self._consumer: AIOKafkaConsumer = new_consumer(
            settings.kafka,
            settings.instance or "chat",
            group_id=settings.kafka.topic_prefix + GROUP,
            instance=settings.instance or None,
        )

    async def start(self) -> None:
        """Joins the group. Raises `KafkaError` when the broker cannot be reached."""
        await self._consumer.start()
        self._consumer.subscribe([self._topic], listener=self)

    async def run(self, stop: asyncio.Event) -> None:
        """Polls until `stop`. While the broker is away the consumer reconnects by itself."""
        polled_at = time.monotonic()
        while not stop.is_set():
            full = len(self._queue) >= self._limit
            if full and time.monotonic() - polled_at < LONGEST_SILENCE_S:
                await asyncio.sleep(FULL_PAUSE_S)
                continue
            polled_at = time.monotonic()
            self._throttle(full)
            try:
                batches = await self._consumer.getmany(timeout_ms=0 if full else POLL_MS, max_records=self._limit)
            except KafkaError as error:
                log.warning("poll: %r", error)
                await asyncio.sleep(RETRY_PAUSE_S)
                continue
            self._consumer.pause(*self._consumer.assignment())
            await self._receive(batches)
            await asyncio.sleep(min(sum(map(len, batches.values())) * REST_S_EACH, LONGEST_REST_S))

    async def close(self) -> None:
        """Commits what is finished and leaves."""
        await self._commit()
        await self._consumer.stop()

    def finish(self, record: Record) -> None:
        """This record needs no more work. Of a partition that is no longer ours: somebody else will find it done."""
        tracker = self._trackers.get(record.partition)
        if tracker is not None:
            tracker.finish(record.offset)

    @property
    def partitions(self) -> list[int]:
        """The partitions that are ours."""
        return sorted(self._trackers)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Commits while it still may; what waits unclaimed is left to the new owner."""
        partitions = {partition.partition for partition in revoked}
        await self._commit()
        for partition in partitions:
            self._trackers.pop(partition, None)
        self._queue.drop(partitions)
        self._rebalances += 1

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """A new partition starts with nothing in hand."""
        for partition in assigned:
            self._trackers.setdefault(partition.partition, OffsetTracker())

    async def _receive(self, batches: Mapping[TopicPartition, list[Record]]) -> None:
        """What is left of a batch when its partitions are taken away belongs to their new owner: it reads it again."""
        rebalances = self._rebalances
        for record in chain.from_iterable(batches.values()):
            if self._rebalances != rebalances:
                return
            self._trackers.setdefault(record.partition, OffsetTracker()).take(record.offset)
            delivery = await self._read(record)
            if delivery is not None and self._rebalances == rebalances:
                self._queue.add(delivery)
        self._wake.set()

    async def _read(self, record: Record) -> Delivery | None:
        try:
            envelope, request = read_event(record, ChatRequested)
            span = self._tracing.begin(envelope.traceparent)
            return delivery_of(request, record, span, self._default_deadline_s)
        except Unreadable as error:
            await self.refuse(record, str(error))
            return None

    async def refuse(self, record: Record, reason: str) -> None:
        """To the dead letters, then finished; waits until the broker has taken it."""
        while True:
            try:
                await self._publisher.dead_letter(CHAT_REQUESTS, record, reason)
                break
            except KafkaError as error:
                log.warning("dead letter: %r, again", error)
                await asyncio.sleep(RETRY_PAUSE_S)
        DEAD_LETTERS.inc()
        log.warning("dead letter", extra={"reason": reason, "partition": record.partition, "offset": record.offset})
        self.finish(record)

    def _throttle(self, full: bool) -> None:
        """Pauses all partitions while enough waits, and one whose oldest request is far behind."""
        assigned = self._consumer.assignment()
        held = {
            partition
            for partition in assigned
            if full or ((t := self._trackers.get(partition.partition)) is not None and t.span > MAX_SPAN)
        }
        paused = self._consumer.paused()
        if pause := held - paused:
            self._consumer.pause(*pause)
        if resume := paused - held:
            self._consumer.resume(*resume)

    async def commit_periodically(self) -> None:
        """Commits until cancelled."""
        while True:
            await asyncio.sleep(COMMIT_EVERY_S)
            await self._commit()

    async def _commit(self) -> None:
        offsets = {p: offset for p, t in self._trackers.items() if (offset := t.committable()) is not None}
        if not offsets:
            return
        try:
            await self._consumer.commit({TopicPartition(self._topic, p): offset for p, offset in offsets.items()})
        except KafkaError as error:
            # The next commit says it again; at worst a restart reads what is done already, and finds it done.
            log.warning("offset commit: %r", error)
            return
        for partition, offset in offsets.items():
            if tracker := self._trackers.get(partition):
                tracker.committed(offset)
