"""Who sends the dead letters of a topic again is alone with it: gateways and commands, on whatever machine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from observatory.adapters.postgres.pool import Pool
from observatory.adapters.postgres.queries import load_queries

_SQL = load_queries("observatory.adapters.postgres", "resending.sql")


@asynccontextmanager
async def only_sender(pool: Pool, topic: str, patience_s: float) -> AsyncIterator[None]:
    """Waits until nobody else sends letters of the topic again, and keeps others waiting until it is left.

    What waits must be read within it. The lock ends with the connection: if that is lost on the way, another may send
    the same letters again, under the same ids. Raises one of `pool.TRANSIENT`, among them `TimeoutError`.
    """
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(_SQL["only_one"], topic, timeout=patience_s)
        yield
