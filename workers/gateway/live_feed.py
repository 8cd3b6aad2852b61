"""One reader of `metrics.live` and `alert.events` for everybody who watches in this process.

It begins with the first watcher. Each watcher gets what its tenant's key lets it see; an event's id is where it stands
on both topics, so a watcher that comes back, to any gateway, misses nothing that the broker still holds.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from observatory.adapters.answer_records import assign
from observatory.adapters.kafka import UNDECODABLE, Record, new_consumer, topic_name
from observatory.adapters.partitions import partition_for
from observatory.adapters.settings import KafkaSettings
from schemas.topics import ALERT_EVENTS, METRICS_LIVE
from workers.gateway.metrics import LIVE_WATCHERS

log = logging.getLogger(__name__)

POLL_MS = 1000
PAUSE_S = 0.5
MOST_WAITING = 2_000
"""A watcher that is so many events behind is sent away; it comes back where it was."""

RESUME_MOST = 20_000
"""Records of one topic that are read again for a watcher who comes back; older ones are passed over."""


class FeedAway(Exception):
    """The broker is away, or this gateway is closing: come back."""


@dataclass(frozen=True, slots=True)
class Place:
    """Offsets behind the last event of each topic in the tenant's partition; None: not known."""

    windows: int | None = None
    alerts: int | None = None

    def __str__(self) -> str:
        return f"{'' if self.windows is None else self.windows}-{'' if self.alerts is None else self.alerts}"

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Raises `ValueError` for what is not two offsets, each of which may be missing, with a dash between them."""
        windows, dash, alerts = text.partition("-")
        if not dash or any(
            part and not (part.isascii() and part.isdigit() and len(part) < 19) for part in (windows, alerts)
        ):
            raise ValueError(f"not a place (offset-offset): {text[:40]!r}")
        return cls(int(windows) if windows else None, int(alerts) if alerts else None)


class _Address(msgspec.Struct):
    tenant_id: str


_tenant_of = msgspec.json.Decoder(_Address).decode


class Watcher:
    """What one connection is still to be told."""

    def __init__(self, tenant_id: str) -> None:
        self.tenant_id = tenant_id
        self._queue: asyncio.Queue[Record | None] = asyncio.Queue()
        self._left = False

    def put(self, record: Record | None) -> None:
        """Adds an event; None ends it. Too many that are not fetched end it too."""
        if record is not None and self._queue.qsize() >= MOST_WAITING:
            record, self._left = None, True
        if not self._left or record is None:
            self._queue.put_nowait(record)

    async def next(self, timeout_s: float) -> list[Record]:
        """What is new; empty when nothing came in time. Raises `FeedAway`."""
        try:
            async with asyncio.timeout(timeout_s):
                found = [await self._queue.get()]
        except TimeoutError:
            return []
        while self._queue.qsize():
            found.append(self._queue.get_nowait())
        if None in found:
            raise FeedAway
        return [record for record in found if record is not None]


class LiveFeed:
    """Reads both topics from their ends on, for whoever watches."""

    def __init__(self, settings: KafkaSettings, client_id: str) -> None:
        self._settings, self._client_id = settings, f"{client_id}-live"
        self._topics = (topic_name(settings, METRICS_LIVE), topic_name(settings, ALERT_EVENTS))
        self._watchers: set[Watcher] = set()
        self._reader: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._consumer: AIOKafkaConsumer | None = None

    async def stop(self) -> None:
        """Ends everybody's stream and disconnects."""
        self.give_up()
        if self._reader:
            self._reader.cancel()
            with suppress(asyncio.CancelledError):
                await self._reader
        if self._consumer:
            await self._consumer.stop()

    def give_up(self) -> None:
        """Ends everybody's stream."""
        for watcher in self._watchers:
            watcher.put(None)

    async def events(
        self, tenant_id: str, after: Place | None, patience_s: float
    ) -> AsyncGenerator[list[tuple[Place, Record]], None]:
        """Each event with the place behind it, in batches; an empty one when nothing came for `patience_s`.

        Raises `FeedAway`. The feed is open.
        """
        with self._watching(tenant_id) as watcher:
            place = Place()
            if after is not None:
                place, missed = await self._missed(tenant_id, after)
                if missed:
                    yield missed
            while True:
                batch = []
                for record in await watcher.next(patience_s):
                    if not self._is_new(record, place):
                        continue
                    place = self._behind(record, place)
                    batch.append((place, record))
                yield batch

    @contextmanager
    def _watching(self, tenant_id: str) -> Iterator[Watcher]:
        watcher = Watcher(tenant_id)
        self._watchers.add(watcher)
        LIVE_WATCHERS.set(len(self._watchers))
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)
            LIVE_WATCHERS.set(len(self._watchers))

    def _behind(self, record: Record, place: Place) -> Place:
        offset = record.offset + 1
        return replace(place, windows=offset) if record.topic == self._topics[0] else replace(place, alerts=offset)

    def _is_new(self, record: Record, place: Place) -> bool:
        known = place.windows if record.topic == self._topics[0] else place.alerts
        return known is None or record.offset >= known

    async def open(self) -> None:
        """Begins to read, unless it does already. Raises `FeedAway`."""
        async with self._starting:
            if self._reader is not None and not self._reader.done():
                return
            if self._consumer is not None:
                await self._consumer.stop()
            self._consumer = consumer = new_consumer(self._settings, self._client_id)
            try:
                await consumer.start()
                partitions = [tp for topic in self._topics for tp in await assign(consumer, topic)]
                consumer.assign(partitions)
                for tp, offset in (await consumer.end_offsets(partitions)).items():
                    consumer.seek(tp, offset)
            except KafkaError as error:
                raise FeedAway(repr(error)) from error
            self._reader = asyncio.create_task(self._read(consumer), name="live feed")

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            try:
                batches = await consumer.getmany(timeout_ms=POLL_MS)
            except KafkaError as error:
                log.warning("live feed: %r, again in %.1f s", error, PAUSE_S)
                await asyncio.sleep(PAUSE_S)
                continue
            for records in batches.values():
                for record in records:
                    self._hand_out(record)

    def _hand_out(self, record: Record) -> None:
        if not self._watchers:
            return
        tenant_id = _tenant_in(record)
        for watcher in self._watchers:
            if watcher.tenant_id == tenant_id:
                watcher.put(record)

    async def _missed(self, tenant_id: str, after: Place) -> tuple[Place, list[tuple[Place, Record]]]:
        """What the tenant's partitions hold behind a place, and the place behind that."""
        consumer = new_consumer(self._settings, f"{self._client_id}-replay")
        place, missed = after, []
        try:
            await consumer.start()
            for topic, begin in zip(self._topics, (after.windows, after.alerts), strict=True):
                if begin is None:
                    continue
                partitions = await assign(consumer, topic)
                tp = partition_for(tenant_id, partitions)
                for record in await _from(consumer, tp, begin):
                    place = self._behind(record, place)
                    if _tenant_in(record) == tenant_id:
                        missed.append((place, record))
        except KafkaError as error:
            raise FeedAway(repr(error)) from error
        finally:
            await consumer.stop()
        return place, missed


async def _from(consumer: AIOKafkaConsumer, tp: TopicPartition, begin: int) -> list[Record]:
    consumer.assign([tp])
    end = (await consumer.end_offsets([tp]))[tp]
    oldest = (await consumer.beginning_offsets([tp]))[tp]
    consumer.seek(tp, max(begin, oldest, end - RESUME_MOST))
    found: list[Record] = []
    while await consumer.position(tp) < end:
        for records in (await consumer.getmany(tp, timeout_ms=POLL_MS)).values():
            found += [record for record in records if record.offset < end]
    return found


def _tenant_in(record: Record) -> str | None:
    try:
        return _tenant_of(record.value or b"").tenant_id
    except UNDECODABLE as error:
        log.warning("live feed: %s-%s-%s cannot be read: %s", record.topic, record.partition, record.offset, error)
        return None
