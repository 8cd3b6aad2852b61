"""An empty, migrated database beside the real one on the same server, dropped at the end, whatever happens within.

One that a killed process left behind is dropped by the next.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from observatory.adapters.postgres.migrations import migrate
from observatory.adapters.postgres.pool import Connection
from observatory.adapters.postgres.queries import load_queries

_SQL = load_queries("observatory.adapters.postgres", "scratch.sql")
_DROPS = 6


class ScratchError(Exception):
    """There can be no scratch database; the message says why and what to do."""


@asynccontextmanager
async def scratch_database(url: str, migrations: Path) -> AsyncIterator[str]:
    """The URL of the scratch database of the one at `url`.

    Raises `ScratchError`, `MigrationError`, and what asyncpg raises when the server is away.
    """
    connection = await asyncpg.connect(url, timeout=10)
    try:
        name: str = await connection.fetchval(_SQL["name_of_scratch"], secrets.token_hex(6))
        await connection.execute(_SQL["hold"], name)
        for abandoned in await connection.fetch(_SQL["abandoned"], name):
            await _drop(connection, abandoned["datname"])
        try:
            yield await _create(connection, url, name, migrations)
        finally:
            await _drop(connection, name)
    finally:
        await connection.close()


async def _create(connection: Connection, url: str, name: str, migrations: Path) -> str:
    own = urlunsplit(urlsplit(url)._replace(path="/" + quote(name, safe="")))
    try:
        await connection.execute(await connection.fetchval(_SQL["create_database"], name))
        scratch = await asyncpg.connect(own, timeout=10)
        try:
            await scratch.execute(_SQL["create_extension"])
        finally:
            await scratch.close()
    except asyncpg.InsufficientPrivilegeError as error:
        raise ScratchError(
            f"no scratch database can be made: {error}; a superuser can allow it: ALTER ROLE … CREATEDB"
        ) from error
    await migrate(own, migrations)
    return own


async def _drop(connection: Connection, name: str) -> None:
    """PostgreSQL itself waits 5 s for others to leave. TimescaleDB's worker may just be starting while we drop."""
    statement = await connection.fetchval(_SQL["drop_database"], name)
    for last in (*[False] * (_DROPS - 1), True):
        try:
            await connection.execute(statement)
            return
        except asyncpg.ObjectInUseError:
            if last:
                raise
