"""Heals what dead workers left: attempts without an end become unknown, what was not published is published."""

import asyncio
import logging
from datetime import timedelta

import asyncpg
from aiokafka.errors import KafkaError

from observatory.adapters.postgres.journal import Journal
from observatory.adapters.postgres.pool import describe
from workers.chat.metrics import SWEPT
from workers.chat.outbox import Outbox

log = logging.getLogger(__name__)


class Sweeper:
    """Runs in every chat worker; its statements skip rows that another sweeper holds."""

    def __init__(self, journal: Journal, outbox: Outbox, every_s: float) -> None:
        self._journal, self._outbox, self._every_s = journal, outbox, every_s

    async def run(self) -> None:
        """Sweeps until cancelled; a sweep that fails is logged and tried again."""
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.sweep()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, KafkaError) as error:
                log.warning("sweep: %s", describe(error))

    async def sweep(self) -> None:
        """One sweep."""
        swept = await self._journal.sweep_started()
        if swept:
            SWEPT.inc(swept)
            log.warning("attempts became unknown", extra={"attempts": swept})
        await self._outbox.sweep(timedelta(seconds=self._every_s))
        await self._journal.free_heads()
