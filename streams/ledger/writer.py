"""Writes batches: dead letters first, then the transaction; one bad value cannot stop a partition.

A dead letter is acknowledged by the broker before the offset moves past its record; after a failure in between it is
sent again, so the dead letters may hold a record twice, never not at all.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Protocol

import asyncpg

from observatory.adapters.kafka import Record
from observatory.adapters.postgres.ledger import Move, SinkOffsets
from observatory.adapters.postgres.pool import Pool, describe
from schemas.topics import LLM_CALLS, Topic
from streams.ledger import metrics
from streams.ledger.batch import Bad, Batch, halves, new_batch
from streams.ledger.sink import write
from streams.ledger.tracing import BatchTraces

log = logging.getLogger(__name__)

REFUSED = (asyncpg.DataError, ValueError, OverflowError)
"""PostgreSQL, or the driver that encodes for it, cannot take a value."""


class DeadLetters(Protocol):
    """Where records go that cannot be a fact: a `Publisher`."""

    async def dead_letter(self, topic: Topic, record: Record, reason: str) -> None:
        """Returns when the record is kept."""


class Watcher(Protocol):
    """Who is told of each commit: `Progress`."""

    def applied(self, moves: Sequence[Move]) -> None:
        """A batch was committed."""


class Writer:
    """Writes one batch at a time."""

    def __init__(
        self, pool: Pool, offsets: SinkOffsets, dead_letters: DeadLetters, watcher: Watcher, retention_days: int,
        traces: BatchTraces | None = None,
    ) -> None:  # fmt: skip
        self._pool, self._offsets, self._dead_letters, self._traces = pool, offsets, dead_letters, traces
        self._watcher, self._retention_days = watcher, retention_days

    async def write(self, batch: Batch) -> None:
        """Returns when the batch is committed. Raises what `sink.write` and the producer raise, having moved nothing
        or only whole parts of the batch."""
        started = time.monotonic()
        await self._dead_letter(batch.bad)
        await self._write(batch)
        metrics.BATCH_SECONDS.observe(time.monotonic() - started)
        metrics.BATCH_RECORDS.observe(len(batch.records))
        metrics.EVENTS.inc(len(batch.records))
        self._watcher.applied(batch.moves)
        if self._traces is not None:
            self._traces.applied(batch.records, started)

    async def _write(self, batch: Batch) -> None:
        """A batch that is refused is written in halves, down to the record at fault."""
        try:
            await write(self._pool, self._offsets, batch)
        except REFUSED as error:
            if len(batch.records) == 1:
                await self._dead_letter([(batch.records[0], f"the database refuses it: {describe(error)}")])
                await write(self._pool, self._offsets, new_batch(batch.records, batch.moves, [], []))
                return
            for half in halves(batch, self._retention_days):
                await self._write(half)

    async def _dead_letter(self, bad: Sequence[Bad]) -> None:
        if bad:
            await asyncio.gather(*(self._dead_letters.dead_letter(LLM_CALLS, record, reason) for record, reason in bad))
            metrics.DEAD_LETTERS.inc(len(bad))
            log.warning("%d records to the dead letters, the first because: %s", len(bad), bad[0][1])
