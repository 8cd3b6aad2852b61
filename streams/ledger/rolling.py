"""Sums hours and days when they are over, beside the sink and on a connection of its own: never in its way.

An hour is over when the ledger is complete up to some minutes after its end. Every ledger tries; the database lets one
at a time. What is not summed is read from the minutes and the facts, so all that a delay costs is time.
"""

import asyncio
import logging
import time
from datetime import UTC, datetime, timedelta

import asyncpg

from observatory.adapters.postgres.ledger import watermark
from observatory.adapters.postgres.pool import TRANSIENT, Pool, describe, insist, open_pool
from observatory.adapters.postgres.rolling import roll
from observatory.adapters.settings import Settings
from streams.ledger import metrics

log = logging.getLogger(__name__)

GRACE = timedelta(minutes=5)
"""After an hour's end: most calls that began within it have ended by then."""

LOOK_EVERY_S = 15.0
REST = 0.5
"""After a turn that took long, so many times as long is waited."""

SESSION = {"plan_cache_mode": "force_custom_plan", "jit": "off"}


async def keep_rolling(settings: Settings, sink: str, topic: str, owner: str) -> None:
    """Sums what is over, for ever; a failure waits for the next turn. Ends by being cancelled."""
    pool = await insist(
        "sums: database", lambda: open_pool(settings.database_url, size=1, application=owner, session=SESSION)
    )
    try:
        while True:
            started = time.monotonic()
            try:
                done = await _turn(pool, sink, topic)
            except (*TRANSIENT, asyncpg.PostgresError) as error:
                log.warning("hours and days were not summed, again in a moment: %s", describe(error))
                done = 0
            took = time.monotonic() - started
            await asyncio.sleep(REST * took if done else max(LOOK_EVERY_S, REST * took))
    finally:
        pool.terminate()


async def _turn(pool: Pool, sink: str, topic: str) -> int:
    complete_until = await watermark(pool, sink, topic)
    if complete_until is None:
        return 0
    done = await roll(pool, over_at(complete_until))
    metrics.ROLLED.inc(done)
    return done


def over_at(complete_until: datetime) -> datetime:
    """Up to which whole hour everything is over when the ledger is complete up to a moment."""
    return (complete_until.astimezone(UTC) - GRACE).replace(minute=0, second=0, microsecond=0)
