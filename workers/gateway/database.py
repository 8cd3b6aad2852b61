"""The database as the gateway sees it: asked in passing, never waited for long.

The gateway runs while the database is away: chat requests need it only for questions of the journal.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import asyncpg

from observatory.adapters.postgres.pool import NO_SETTINGS, TRANSIENT, Pool, describe, insist, open_pool
from workers.gateway.refusals import Refusal, invalid, not_available

log = logging.getLogger(__name__)
T = TypeVar("T")

POOL_SIZE = 4
PATIENCE_S = 3.0


class DatabaseAway(Exception):
    """The database does not answer at the moment."""


class Database:
    """A pool that opens itself when the database is there."""

    def __init__(
        self, url: str, *, size: int = POOL_SIZE, application: str = "gateway", session: Mapping[str, str] = NO_SETTINGS
    ) -> None:
        self._url = url
        self._size, self._application, self._session = size, application, session
        self._pool: Pool | None = None
        self._opening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connects, for as long as it takes; returns earlier when that takes more than a few seconds."""
        self._opening = asyncio.create_task(insist("database", self._open), name="database")
        await asyncio.wait((self._opening,), timeout=PATIENCE_S)

    async def stop(self) -> None:
        """Disconnects."""
        if self._opening:
            self._opening.cancel()
        if self._pool:
            self._pool.terminate()

    @property
    def pool(self) -> Pool:
        """For what takes longer than `run` allows. Raises `DatabaseAway` before it was ever connected."""
        if self._pool is None:
            raise DatabaseAway("not connected yet")
        return self._pool

    async def run(self, operation: Callable[[Pool], Awaitable[T]]) -> T:
        """The operation's result. Raises `DatabaseAway` when there is none within a few seconds."""
        pool = self.pool
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await operation(pool)
        except TRANSIENT as error:
            raise DatabaseAway(describe(error)) from error

    async def run_or_refuse(self, operation: Callable[[Pool], Awaitable[T]]) -> T:
        """As `run`, for a client who waits. Raises `Refusal`: 503 when the database is away, 400 for a value of the
        client's that it has no place for."""
        try:
            return await self.run(operation)
        except asyncpg.DataError as error:
            raise unfit_value(error) from error
        except DatabaseAway as error:
            log.warning("database: %s", error)
            raise not_available("the database is away; try again") from error

    async def _open(self) -> None:
        self._pool = await open_pool(self._url, size=self._size, application=self._application, session=self._session)


def unfit_value(error: asyncpg.DataError) -> Refusal:
    """400: the client named something that no column can hold."""
    log.warning("a value was refused: %s", describe(error))
    return invalid("a value of this request cannot be looked up: out of range, or with the character NUL in it")
