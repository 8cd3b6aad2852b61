"""The loop of the ledger: poll, decode, write; the next batches are read and decoded while earlier ones are written.

Offsets live in the database and move in the transaction of the batch; those committed to Kafka are for lag monitors.
The consumer group only assigns partitions. After any failure the positions are forgotten and read again, so that
whatever became of the last transaction, no record is skipped and none is applied twice.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from observatory.adapters.kafka import Record
from observatory.adapters.postgres.ledger import Move, SinkOffsets
from observatory.adapters.postgres.pool import FIRST_PAUSE_S, LONGEST_PAUSE_S, TRANSIENT, Pool, describe
from streams.ledger import metrics
from streams.ledger.batch import Batch, move_past, read_batch
from streams.ledger.placement import Position, place
from streams.ledger.progress import Progress
from streams.ledger.sink import OffsetsMoved
from streams.ledger.writer import Writer

log = logging.getLogger(__name__)

MAX_RECORDS = 10_000
POLL_MS = 200
SMALL_BATCH = 1_000
PACE_S = 0.1
"""The least time between two polls that bring little: a commit costs as much for one record as for a hundred."""

MOST_WRITING = 2
"""Batches that wait for the database or are written, one after the other; reading goes on meanwhile."""

PASSING = (*TRANSIENT, KafkaError, OffsetsMoved)


class Loop(ConsumerRebalanceListener):
    """Applies what one consumer reads from one topic."""

    def __init__(
        self, *, topic: str, consumer: AIOKafkaConsumer, pool: Pool, offsets: SinkOffsets, writer: Writer,
        progress: Progress, retention_days: int,
    ) -> None:  # fmt: skip
        self._topic, self._consumer, self._pool, self._offsets = topic, consumer, pool, offsets
        self._writer, self._progress, self._retention_days = writer, progress, retention_days
        self._positions: dict[int, Position] = {}
        self._writing: deque[asyncio.Task[None]] = deque()

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Forgets the positions; a batch in flight is fenced by its offsets if another ledger is faster."""
        self._positions.clear()

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Nothing yet: the next turn of the loop places what has no position."""

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until told to stop; what is in flight then is committed."""
        self._consumer.subscribe([self._topic], listener=self)
        while not stop.is_set():
            try:
                await self._turn()
            except PASSING as error:
                await self._recover(error, stop)
        await self._drop_writing()

    async def _turn(self) -> None:
        started = time.monotonic()
        await self._place_new()
        polled = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=MAX_RECORDS)
        records, moves = self._take(polled)
        if records:
            batch = await read_batch(records, moves, self._retention_days)
            await self._until_unwritten(MOST_WRITING - 1)
            before = self._writing[-1] if self._writing else None
            self._writing.append(asyncio.create_task(self._write(batch, before)))
        else:
            await self._until_unwritten(0)
        await self._progress.note(self._positions)
        if len(records) < SMALL_BATCH:
            await asyncio.sleep(max(0.0, started + PACE_S - time.monotonic()))

    async def _place_new(self) -> None:
        new = [tp for tp in self._consumer.assignment() if tp.partition not in self._positions]
        if new:
            placed = await place(self._consumer, self._pool, self._offsets, new)
            self._positions.update(placed)
            self._progress.placed(placed)
            log.info("reading partitions %s", sorted(self._positions))

    def _take(self, polled: Mapping[TopicPartition, list[Record]]) -> tuple[list[Record], list[Move]]:
        """The records of partitions that have a position, which moves past them."""
        taken: list[Record] = []
        moves: list[Move] = []
        for tp, records in polled.items():
            position = self._positions.get(tp.partition)
            if position is None or not records:
                continue
            if records[0].offset < position.next_offset:
                # The broker did not know our offset and the client began again: find out which log this is.
                del self._positions[tp.partition]
                continue
            _report_gap(records[0], position)
            moves.append(move_past(records[-1], position.log_epoch, position.next_offset))
            position.next_offset = records[-1].offset + 1
            taken += records
        return taken, moves

    async def _write(self, batch: Batch, before: asyncio.Task[None] | None) -> None:
        """Writes a batch after the one before it; when that one fails, this one fails with it."""
        if before is not None:
            await before
        await self._writer.write(batch)

    async def _until_unwritten(self, most: int) -> None:
        """Waits until no more than so many batches are unwritten."""
        while len(self._writing) > most:
            await self._writing.popleft()

    async def _recover(self, error: Exception, stop: asyncio.Event) -> None:
        """Waits, polling so that the group keeps us, until the positions could be read again."""
        log.warning("reading stops and begins again at the stored offsets: %s", describe(error))
        if isinstance(error, OffsetsMoved):
            metrics.FENCED.inc()
        await self._drop_writing()
        pause = FIRST_PAUSE_S
        while not stop.is_set():
            self._positions.clear()
            self._progress.waiting_for = describe(error)
            try:
                self._consumer.pause(*self._consumer.assignment())
                await self._consumer.getmany(timeout_ms=int(pause * 1000))
                await self._place_new()
                self._consumer.resume(*self._consumer.paused())
                break
            except PASSING as again:
                error, pause = again, min(pause * 2, LONGEST_PAUSE_S)
                await asyncio.sleep(FIRST_PAUSE_S)
        self._progress.waiting_for = ""

    async def _drop_writing(self) -> None:
        while self._writing:
            try:
                await self._until_unwritten(0)
            except PASSING as error:
                log.warning("a batch in flight was not written, it will be read again: %s", describe(error))


def _report_gap(first: Record, position: Position) -> None:
    missing = first.offset - max(position.next_offset, position.log_start)
    if missing > 0:
        metrics.LOST_RECORDS.inc(missing)
        log.error("partition %d: %d records before offset %d are gone", first.partition, missing, first.offset)
