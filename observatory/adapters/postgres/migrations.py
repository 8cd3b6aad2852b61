"""Applies numbered `.sql` files once each, in order, under a lock; refuses a file that changed after it was applied.

A file runs in one transaction with its own record. A first line `-- migrate: no-transaction` lets each of its
statements (separated by a line `--;`) run by itself.
"""

import hashlib
from pathlib import Path

import asyncpg

from observatory.adapters.postgres.pool import Connection

_LOCK = 7_305_117_201
_NO_TRANSACTION = "-- migrate: no-transaction"

_TABLE = """CREATE TABLE IF NOT EXISTS public.schema_migrations (
  name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"""
_INSERT = "INSERT INTO public.schema_migrations (name, sha256) VALUES ($1, $2)"


class MigrationError(Exception):
    """A migration cannot be applied; the message names the file and what to do."""


async def migrate(url: str, folder: Path) -> list[str]:
    """Applies what is missing; returns the names of the files that were applied."""
    files = {file.name: file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.sql"))}
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        await connection.execute(_TABLE)
        rows = await connection.fetch("SELECT name, sha256 FROM public.schema_migrations")
        applied = {row["name"]: row["sha256"] for row in rows}
        return [name for name, text in files.items() if await _apply(connection, name, text, applied)]
    finally:
        await connection.close()


async def _apply(connection: Connection, name: str, text: str, applied: dict[str, str]) -> bool:
    digest = hashlib.sha256(text.encode()).hexdigest()
    if name in applied:
        if applied[name] != digest:
            raise MigrationError(f"{name} was changed after it was applied; put the change into a new file")
        return False
    try:
        await _run(connection, name, text, digest)
    except asyncpg.PostgresError as error:
        raise MigrationError(f"{name}: {error}") from error
    return True


async def _run(connection: Connection, name: str, text: str, digest: str) -> None:
    if text.startswith(_NO_TRANSACTION):
        for statement in text.split("\n--;\n"):
            await connection.execute(statement)
        await connection.execute(_INSERT, name, digest)
        return
    async with connection.transaction():
        await connection.execute(text)
        await connection.execute(_INSERT, name, digest)
