"""What one stream worker does for all: the one that holds the lock in the database. When it dies, another follows.

Each task looks and writes in a transaction of its own that moves a cursor by compare-and-set, or repeats harmlessly:
two leaders for a moment, one of them not knowing yet that its connection is gone, do no damage.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import asyncpg
from aiokafka.errors import KafkaError

from observatory.adapters.kafka import Publisher
from observatory.adapters.postgres.pool import TRANSIENT, Pool, describe, open_pool
from observatory.adapters.settings import Settings
from streams.engine import metrics

log = logging.getLogger(__name__)

LOCK = 7305117210
TRY_S = 2.0
PASSING = (*TRANSIENT, KafkaError, asyncpg.PostgresError)


@dataclass(frozen=True, kw_only=True)
class LeaderTask:
    """`turn` is run, and run again `every_s` after it began, or at once when it took longer."""

    name: str
    every_s: float
    turn: Callable[[Pool, Publisher, Settings], Awaitable[None]]


async def lead(settings: Settings, publisher: Publisher, owner: str, tasks: Sequence[LeaderTask] = ()) -> None:
    """Waits for the lock, then runs all tasks until it is lost; for ever. Ends by being cancelled."""
    while True:
        try:
            await _hold(settings, publisher, owner, tasks)
        except PASSING as error:
            log.warning("not leading: %s", describe(error))
        await asyncio.sleep(TRY_S)


async def _hold(settings: Settings, publisher: Publisher, owner: str, tasks: Sequence[LeaderTask]) -> None:
    pool = await open_pool(settings.database_url, size=len(tasks) + 1, application=f"{owner}-leader")
    try:
        async with pool.acquire() as connection:
            while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):  # noqa: ASYNC110
                await asyncio.sleep(TRY_S)
            log.info("leading")
            metrics.LEADING.set(1)
            running = [asyncio.create_task(_keep_on(task, pool, publisher, settings)) for task in tasks]
            try:
                while True:
                    await asyncio.sleep(TRY_S)
                    await connection.execute("SELECT 1")  # the lock goes with the connection
            finally:
                metrics.LEADING.set(0)
                for task in running:
                    task.cancel()
                if running:
                    await asyncio.wait(running)
    finally:
        pool.terminate()


async def _keep_on(task: LeaderTask, pool: Pool, publisher: Publisher, settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    while True:
        started = loop.time()
        try:
            await task.turn(pool, publisher, settings)
        except PASSING as error:
            log.warning("%s: again in a moment: %s", task.name, describe(error))
        except Exception:
            # Whatever it is, the other tasks go on, and the next turn may find other rows.
            log.exception("%s failed", task.name)
        await asyncio.sleep(max(0.0, started + task.every_s - loop.time()))
