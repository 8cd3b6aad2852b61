"""Once an hour: facts, spans and journal rows that are older than they are kept are deleted. Rollups are kept for ever.

One ledger does it at a time. The same on both editions of TimescaleDB, because the periods are settings.
"""

import asyncio
import logging

import asyncpg

from observatory.adapters.postgres import ledger
from observatory.adapters.postgres.pool import TRANSIENT, Pool, describe
from observatory.adapters.postgres.traces import drop_old_spans
from observatory.adapters.settings import Settings
from streams.folds.spans import KEEP

log = logging.getLogger(__name__)

INTERVAL_S = 3600.0
JOURNAL_BATCH = 1_000


async def keep_clean(pool: Pool, settings: Settings) -> None:
    """Cleans now and then every hour, for ever; a failure waits for the next hour."""
    while True:
        try:
            await clean(pool, settings.facts_retention_days, settings.journal_retention_days)
        except (*TRANSIENT, asyncpg.PostgresError) as error:
            log.warning("old rows were not deleted, again in an hour: %s", describe(error))
        await asyncio.sleep(INTERVAL_S)


async def clean(pool: Pool, facts_days: int, journal_days: int) -> None:
    """Drops chunks of facts older than `facts_days` and of old spans; deletes older journal rows, in small batches."""
    async with pool.acquire() as connection, connection.transaction():
        if not await ledger.only_one_cleaner(connection):
            return
        chunks = await ledger.drop_old_facts(connection, facts_days)
        chunks += await drop_old_spans(connection, KEEP)
    rows = 0
    while deleted := await ledger.delete_old_journal(pool, journal_days, JOURNAL_BATCH):
        rows += deleted
    if chunks or rows:
        log.info("deleted %d chunks of old facts and spans, %d old journal rows", chunks, rows)
