"""Rebuilds facts and rollups from the topic into an empty database, by the ledger's own decoding and writing.

Reads each partition up to a given offset, without a consumer group; what could not be a fact is counted, not sent to
the dead letters.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, TopicPartition

from observatory.adapters.kafka import Record
from observatory.adapters.postgres.ledger import Move, SinkOffsets, StoredOffset
from observatory.adapters.postgres.pool import Pool
from schemas.topics import Topic
from streams.ledger.batch import move_past, read_batch
from streams.ledger.loop import MAX_RECORDS
from streams.ledger.placement import FIRST_EPOCH, Position, is_another_log, place
from streams.ledger.writer import Writer

SINK = "replay"
POLL_MS = 500
SILENCE_S = 60.0


class NotReplayable(Exception):
    """The topic cannot be read up to where the ledger stands; the message says why."""


@dataclass
class Rebuilt:
    """What was read. `complete_from`: every record appended from then on was read; None: every record ever appended."""

    records: int = 0
    dead_letters: int = 0
    complete_from: datetime | None = None

    async def dead_letter(self, topic: Topic, record: Record, reason: str) -> None:
        """Counts a record that cannot be a fact."""
        self.dead_letters += 1

    def incomplete_before(self, moment: datetime) -> None:
        """Records that were appended before are gone."""
        self.complete_from = max(self.complete_from or moment, moment)


class Rebuild:
    """One reading of a topic from its oldest records to where a ledger stood."""

    def __init__(
        self, consumer: AIOKafkaConsumer, pool: Pool, stored: Mapping[TopicPartition, StoredOffset], retention_days: int
    ) -> None:
        """`consumer` is started and assigned to the partitions of `stored`; `pool` is of the empty database."""
        self._consumer, self._pool, self._stored, self._retention_days = consumer, pool, stored, retention_days
        self._positions: dict[int, Position] = {}
        self._writing: asyncio.Task[None] | None = None
        self._on_progress: Callable[[int], None] = lambda _: None
        self.result = Rebuilt()

    async def to_read(self) -> int:
        """How many records there are to read. Raises `NotReplayable`, and `KafkaError` when the broker is away."""
        partitions = list(self._stored)
        begin = await self._consumer.beginning_offsets(partitions)
        end = await self._consumer.end_offsets(partitions)
        for tp, stored in self._stored.items():
            applied = stored.next_offset
            if applied > end[tp] or (applied > begin[tp] and await is_another_log(self._consumer, tp, stored)):
                raise NotReplayable(
                    f"partition {tp.partition} of {tp.topic} is not the log that the ledger has read: it was made "
                    "anew; the ledger will read it from its start, wait for that"
                )
        return sum(max(0, stored.next_offset - begin[tp]) for tp, stored in self._stored.items())

    async def run(self, on_progress: Callable[[int], None]) -> Rebuilt:
        """Reads and writes all of it; `on_progress` is told how many records were read so far.

        1. Each partition begins at its oldest record. Where that is not the first ever, it is noted from when on all
           records are there.
        2. Batches are decoded while the one before is written.

        Raises `NotReplayable`, `KafkaError`, and what PostgreSQL's client raises.
        """
        self._on_progress = on_progress
        offsets = SinkOffsets(SINK, next(iter(self._stored)).topic, SINK)
        self._positions = await place(self._consumer, self._pool, offsets, list(self._stored))
        writer = Writer(self._pool, offsets, self.result, self, self._retention_days)
        try:
            await self._read(writer)
        finally:
            if self._writing is not None:
                self._writing.cancel()
                await asyncio.gather(self._writing, return_exceptions=True)
        return self.result

    def applied(self, moves: Sequence[Move]) -> None:
        """A batch was committed."""
        self._on_progress(self.result.records)

    async def _read(self, writer: Writer) -> None:
        heard_at = time.monotonic()
        started = datetime.now(UTC)
        while unfinished := self._unfinished():
            polled = await self._consumer.getmany(*unfinished, timeout_ms=POLL_MS, max_records=MAX_RECORDS)
            records, moves = await self._take(polled)
            if polled:
                heard_at = time.monotonic()
            elif time.monotonic() - heard_at > SILENCE_S:
                raise NotReplayable(f"Kafka gave no record for {SILENCE_S:g} s although there are more to read")
            if records:
                batch = await read_batch(records, moves, self._retention_days)
                await self._written()
                self._writing = asyncio.create_task(writer.write(batch))
        await self._written()
        for tp, stored in self._stored.items():
            position = self._positions[tp.partition]
            # Of a log that has lost its oldest records all that was applied may be gone, and then nothing was read.
            if self._cut(stored, position) and position.log_start >= stored.next_offset:
                self.result.incomplete_before(started)

    async def _written(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            await writing

    def _unfinished(self) -> list[TopicPartition]:
        return [
            tp for tp, stored in self._stored.items() if self._positions[tp.partition].next_offset < stored.next_offset
        ]

    @staticmethod
    def _cut(stored: StoredOffset, position: Position) -> bool:
        """Whether the ledger has read records that are no longer in this log."""
        return position.log_start > 0 or stored.log_epoch > FIRST_EPOCH

    async def _take(self, polled: Mapping[TopicPartition, list[Record]]) -> tuple[list[Record], list[Move]]:
        taken: list[Record] = []
        moves: list[Move] = []
        for tp, fetched in polled.items():
            position, stored = self._positions[tp.partition], self._stored[tp]
            at = position.next_offset
            first = fetched[0]
            if (at == position.log_start and self._cut(stored, position)) or await self._lost(tp, at, first):
                self.result.incomplete_before(datetime.fromtimestamp(first.timestamp / 1000, UTC))
            records = [record for record in fetched if record.offset < stored.next_offset]
            if records:
                moves.append(move_past(records[-1], position.log_epoch, at))
                taken += records
            reached = fetched[-1].offset + 1
            position.next_offset = min(reached, stored.next_offset)
        self.result.records += len(taken)
        return taken, moves

    async def _lost(self, tp: TopicPartition, expected: int, first: Record) -> bool:
        """Whether records were deleted while we read; a gap alone may be the marks of a producer's transactions."""
        if first.offset == expected:
            return False
        oldest: dict[TopicPartition, int] = await self._consumer.beginning_offsets([tp])
        return oldest[tp] > expected
