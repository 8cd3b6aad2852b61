"""Takes batches of records to folds and relays until they are applied, whatever fails on the way.

Nothing here raises into Faust: what an agent raises, Faust acknowledges, and the records would be gone. Where a
partition is read from is asked from the database, so that what Faust commits to Kafka is for lag monitors only.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from observatory.adapters.kafka import Publisher, Record
from observatory.adapters.postgres import streams as tables
from observatory.adapters.postgres.pool import FIRST_PAUSE_S, LONGEST_PAUSE_S, TRANSIENT, Pool, describe
from observatory.adapters.postgres.streams import Input, Stored
from schemas.topics import topic_named
from streams.engine import metrics
from streams.engine.applier import Applier, Arrived, OffsetsMoved, arrive
from streams.engine.drains import Drains
from streams.engine.fold import Outgoing, Relay
from streams.engine.placement import place
from streams.engine.states import AnyFold, FoldFailed

log = logging.getLogger(__name__)

PASSING = (*TRANSIENT, KafkaError)
FIRST_RECORD_S = 10.0

Seek = Callable[[Mapping[TopicPartition, int]], Awaitable[None]]


class Engine:
    """The folds of one process, between a consumer that delivers records and the database.

    `scout` is a consumer that only asks; `seek` has the delivering one go back; `prefix` is that of our topics.
    """

    def __init__(
        self, *, pool: Pool, folds: Iterable[AnyFold], publisher: Publisher, scout: AIOKafkaConsumer, owner: str,
        prefix: str, seek: Seek, relays: Sequence[Relay] = (),
    ) -> None:  # fmt: skip
        self._pool, self._publisher, self._scout, self._owner, self._prefix = pool, publisher, scout, owner, prefix
        self._seek = seek
        self.applier = Applier(pool, folds, owner, relays, self._send)
        self._readers = {name: self.applier.sinks(name) for name in self.applier.topics}
        for name in self._readers:
            metrics.DEAD_LETTERS.labels(name)  # 0 is shown too: of a series that begins at 1 nobody sees the increase
        for name in self.applier.folds:
            metrics.FAILED.labels(name)
        self._lock = asyncio.Lock()
        self._drains = Drains()
        self.lag: dict[str, int] = {}
        self.waiting_for = ""
        self.busy_since: float | None = None

    @property
    def topics(self) -> list[str]:
        """What the broker calls the topics that are read."""
        return [self._prefix + name for name in self._readers]

    async def place(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """From where each partition is to be read. Raises `KafkaError` or one of `pool.TRANSIENT`."""
        positions, starts = await place(
            self._scout, self._pool, self._owner, self._prefix, partitions, dict(self._readers)
        )
        self.applier.place(positions)
        self._drains.forget()
        return starts

    def applied(self) -> dict[TopicPartition, int]:
        """How far each partition is applied, by all that read it."""
        least: dict[TopicPartition, int] = {}
        for source, stored in self.applier.positions.items():
            tp = TopicPartition(self._prefix + source.topic, source.part)
            least[tp] = min(least.get(tp, stored.next_offset), stored.next_offset)
        return least

    async def take(self, records: Sequence[Record]) -> None:
        """Applies the records, however long it takes; returns when nothing more is to be done about them.

        Raises nothing but `CancelledError`.
        """
        async with self._lock:
            started = self.busy_since = time.monotonic()
            arrived = [await self._read(record) for record in records]
            await self._insist(arrived)
            self.busy_since = None
            metrics.BATCH_SECONDS.observe(time.monotonic() - started)

    async def _read(self, record: Record) -> Arrived:
        topic = record.topic.removeprefix(self._prefix)
        arrived, reason = arrive(record, topic)
        if reason:
            metrics.DEAD_LETTERS.labels(topic).inc()
            await self._dead_letter(arrived, reason)
        return arrived

    async def _insist(self, arrived: Sequence[Arrived]) -> None:
        pause = FIRST_PAUSE_S
        while True:
            try:
                self.applier.settle_in()
                if fitting := await self._in_sequence(arrived):
                    await self.applier.apply(fitting)
                self.waiting_for = ""
                return
            except FoldFailed as failed:
                log.exception("passed over at %s", failed.at)
                await self._pass_over(arrived, failed)
            except OffsetsMoved:
                metrics.FENCED.inc()
                self.applier.forget()
                pause = await self._again(arrived, "another process applied these records", pause)
            except PASSING as error:
                self.applier.forget()
                pause = await self._again(arrived, describe(error), pause)
            except asyncpg.PostgresError as error:
                # What it refuses, it will refuse again: find the record, and go on without it.
                self.applier.forget()
                log.exception("%d records refused", len(arrived))
                await self._split(arrived, error)
                return
            except Exception:
                self.applier.forget()
                log.exception("a batch failed in a way that nobody foresaw")
                pause = await self._again(arrived, "a defect", pause)

    async def _again(self, arrived: Sequence[Arrived], reason: str, pause: float) -> float:
        """Waits, finds out where the partitions stand; returns how long to wait the next time."""
        log.warning("a batch is applied again in %.2f s: %s", pause, reason)
        self.waiting_for = reason
        await asyncio.sleep(pause)
        try:
            await self.place({TopicPartition(one.record.topic, one.record.partition) for one in arrived})
        except PASSING as error:
            self.waiting_for = describe(error)
        return min(pause * 2, LONGEST_PAUSE_S)

    async def _split(self, arrived: Sequence[Arrived], error: asyncpg.PostgresError) -> None:
        if len(arrived) > 1:
            middle = len(arrived) // 2
            await self._insist(arrived[:middle])
            await self._insist(arrived[middle:])
            return
        one = arrived[0]
        await self._dead_letter(one, f"the database refused what came of it: {describe(error)}")
        await self._insist([Arrived(one.record, one.at, None)])

    async def _pass_over(self, arrived: Sequence[Arrived], failed: FoldFailed) -> None:
        metrics.FAILED.labels(failed.fold).inc()
        self.applier.forget()
        self.applier.pass_over(failed)
        for one in arrived:
            if one.at == failed.at:
                await self._dead_letter(one, str(failed))
                return

    async def _send(self, outgoing: Sequence[Outgoing]) -> None:
        sent = [
            await self._publisher.publish_bytes(one.topic, one.key, one.event, one.body, one.ce_id) for one in outgoing
        ]
        await asyncio.gather(*sent)

    async def _dead_letter(self, one: Arrived, reason: str) -> None:
        pause = FIRST_PAUSE_S
        while True:
            try:
                await self._publisher.dead_letter(topic_named(one.at.topic), one.record, reason)
                return
            except PASSING as error:
                log.warning("a dead letter could not be sent, again in %.2f s: %s", pause, describe(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_S)

    async def _in_sequence(self, arrived: Sequence[Arrived]) -> list[Arrived]:
        """Those records that follow on what is applied. Where one is missing before them, it is sought and they wait.

        Faust may deliver from elsewhere than it was told, and the database may have lost its last commits in a crash.
        """
        by_partition: dict[TopicPartition, list[Arrived]] = {}
        for one in arrived:
            by_partition.setdefault(TopicPartition(one.record.topic, one.record.partition), []).append(one)
        fitting: list[Arrived] = []
        for tp, records in by_partition.items():
            expected = self.applier.least(records[0].at.topic, tp.partition)
            for one in records:
                if one.at.offset < expected:
                    continue
                if one.at.offset > expected and not await self._nothing_between(tp, expected, one.at.offset):
                    metrics.GAPS.inc()
                    log.warning("%s: records %d to %d are missing, reading them", tp, expected, one.at.offset - 1)
                    await self._seek({tp: expected})
                    break
                fitting.append(one)
                expected = one.at.offset + 1
        return fitting

    async def _nothing_between(self, tp: TopicPartition, expected: int, offset: int) -> bool:
        """Whether the first record from `expected` on is that at `offset`: others are deleted, or no records."""
        self._scout.assign([tp])
        self._scout.seek(tp, expected)
        found = await self._scout.getmany(tp, timeout_ms=int(FIRST_RECORD_S * 1000), max_records=1)
        self._scout.unsubscribe()
        return bool(found.get(tp)) and found[tp][0].offset == offset

    async def note_drained(self, consumer: AIOKafkaConsumer) -> None:
        """Writes up to when partitions without unread records are complete; counts what is left in the others.

        Raises one of `pool.TRANSIENT` when the database is away.
        """
        async with self._lock:
            self.applier.settle_in()
            drained, lag = [], dict.fromkeys(self._readers, 0)
            for tp in consumer.assignment():
                topic = tp.topic.removeprefix(self._prefix)
                inputs = [Input(sink, topic, tp.partition) for sink in self._readers.get(topic, ())]
                known: list[tuple[Input, Stored]] = [
                    (source, self.applier.positions[source]) for source in inputs if source in self.applier.positions
                ]
                if not known:
                    continue
                least = min(stored.next_offset for _, stored in known)
                lag[topic] += max(0, (consumer.highwater(tp) or 0) - least)
                until = self._drains.until(consumer, tp, least)
                if until is not None:
                    drained += [(source, stored.log_epoch, stored.next_offset, until) for source, stored in known]
            self.lag = lag
            for topic, records in lag.items():
                metrics.LAG.labels(topic).set(records)
            await tables.note_drained(self._pool, drained)
