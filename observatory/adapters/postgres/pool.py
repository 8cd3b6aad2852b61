"""Connections to PostgreSQL, and which of its errors pass when one waits."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias, TypeVar

import asyncpg
from asyncpg.pool import PoolConnectionProxy

log = logging.getLogger(__name__)
T = TypeVar("T")

# asyncpg's stubs make these generic; the classes themselves are not.
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
Database: TypeAlias = "Pool | Connection"

TRANSIENT = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
    asyncpg.InternalClientError,
)
"""The database is away, starting, full, or chose this transaction as a victim: the same again may succeed."""

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0


# The statements of the hot path find a handful of rows by key among millions. A plan that was made while a table was
# small, or for another batch size, must not live on as a scan; so index look-ups are asked for, and planned once.
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})
INDEX_PLANS = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
}
LAZY_COMMITS = {"synchronous_commit": "off"}
"""For marks whose loss in a crash of the database only means that something is sent again."""


async def open_pool(
    url: str,
    *,
    size: int,
    application: str,
    session: Mapping[str, str] = NO_SETTINGS,
) -> Pool:
    """A pool of up to `size` connections, with further `session` settings.

    Raises one of `TRANSIENT` when the database cannot be reached.
    """
    return await asyncpg.create_pool(
        url,
        min_size=0,  # a connection that was lost is opened anew by who needs it, not behind our back
        init_size=1,
        max_size=size,
        timeout=10,
        command_timeout=60,
        max_inactive_connection_lifetime=0,
        reset=_keep_as_it_is,
        server_settings={"application_name": application, "timezone": "UTC", **session},
    )


async def _keep_as_it_is(_: Connection) -> None:
    """Between two users of a connection nothing is reset: none of ours changes its session, and it is a round trip."""


async def insist(what: str, operation: Callable[[], Awaitable[T]]) -> T:
    """Runs the operation until it succeeds or fails for good; waits between tries while the database is away."""
    pause = FIRST_PAUSE_S
    while True:
        try:
            return await operation()
        except TRANSIENT as error:
            if isinstance(error, ValueError):  # asyncpg's refusal of a value is an InterfaceError too
                raise
            log.warning("%s: %s, again in %.2f s", what, describe(error), pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)


def describe(error: BaseException) -> str:
    """One line about an error: its kind and, where it has one, its message."""
    text = str(error).splitlines()[0] if str(error) else ""
    kind = type(error).__name__
    return text if text.startswith(f"{kind}: ") else f"{kind}: {text}" if text else kind
