"""Heals what dead workers left: attempts without an end become unknown, what was not published is published."""

import asyncio
import logging
from datetime import timedelta

from aiokafka.errors import KafkaError, OutOfOrderSequenceNumber, ProducerClosed, ProducerFenced

from observatory.adapters.postgres.journal import Journal
from observatory.adapters.postgres.pool import TRANSIENT, describe
from workers.chat.metrics import SWEPT
from workers.chat.outbox import Outbox

LOST_PRODUCER = (OutOfOrderSequenceNumber, ProducerFenced, ProducerClosed)
"""After these every further send of this producer to that partition fails as well."""

log = logging.getLogger(__name__)


class Sweeper:
    """Runs in every chat worker; its statements skip rows that another sweeper holds."""

    def __init__(self, journal: Journal, outbox: Outbox, every_s: float) -> None:
        self._journal, self._outbox, self._every_s = journal, outbox, every_s

    async def run(self) -> None:
        """Sweeps until cancelled; a sweep that fails is logged and tried again.

        Raises when the producer is of no use any more: a new process gets a new one.
        """
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.sweep()
            except* (*TRANSIENT, KafkaError) as errors:
                if errors.subgroup(LOST_PRODUCER):
                    raise
                log.warning("sweep: %s", "; ".join(describe(error) for error in errors.exceptions[:3]))

    async def sweep(self) -> None:
        """One sweep."""
        swept = await self._journal.sweep_started()
        if swept:
            SWEPT.inc(swept)
            log.warning("attempts became unknown", extra={"attempts": swept})
        await self._journal.free_heads()
        await self._outbox.sweep(timedelta(seconds=self._every_s))
