"""Writes batches: dead letters first, then the transaction; one bad value cannot stop a partition.

A dead letter is acknowledged by the broker before the offset moves past its record; after a failure in between it is
sent again, so the dead letters may hold a record twice, never not at all.
"""

import asyncio
import logging
import time
from collections.abc import Sequence

import asyncpg

from observatory.adapters.kafka import Publisher
from observatory.adapters.postgres.ledger import SinkOffsets
from observatory.adapters.postgres.pool import Pool, describe
from schemas.topics import LLM_CALLS
from streams.ledger import metrics
from streams.ledger.batch import Bad, Batch, halves, new_batch
from streams.ledger.progress import Progress
from streams.ledger.sink import write

log = logging.getLogger(__name__)

REFUSED = (asyncpg.DataError, ValueError, OverflowError)
"""PostgreSQL, or the driver that encodes for it, cannot take a value."""


class Writer:
    """Writes one batch at a time."""

    def __init__(
        self, pool: Pool, offsets: SinkOffsets, publisher: Publisher, progress: Progress, retention_days: int
    ) -> None:
        self._pool, self._offsets, self._publisher = pool, offsets, publisher
        self._progress, self._retention_days = progress, retention_days

    async def write(self, batch: Batch) -> None:
        """Returns when the batch is committed. Raises what `sink.write` and the producer raise, having moved nothing
        or only whole parts of the batch."""
        started = time.monotonic()
        await self._dead_letter(batch.bad)
        await self._write(batch)
        metrics.BATCH_SECONDS.observe(time.monotonic() - started)
        metrics.BATCH_RECORDS.observe(len(batch.records))
        metrics.EVENTS.inc(len(batch.records))
        self._progress.applied(batch.moves)

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
            await asyncio.gather(*(self._publisher.dead_letter(LLM_CALLS, record, reason) for record, reason in bad))
            metrics.DEAD_LETTERS.inc(len(bad))
            log.warning("%d records to the dead letters, the first because: %s", len(bad), bad[0][1])
