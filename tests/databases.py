"""Databases of a test's own on the server of a test stack, ready in a few hundredths of a second."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg

from observatory.adapters.postgres.setup import set_up
from tests.stack import LiveStack

MIGRATIONS = Path(__file__).resolve().parents[1] / "infra" / "migrations"
TEMPLATE = "ready_to_copy"


async def new_database(stack: LiveStack) -> str:
    """The URL of a database that other tests do not see: all migrations and the shipped prices are in it.

    It is a copy of one that the first caller made ready as `observatory migrate` does.
    """
    port = urlsplit(stack.database_url).port
    await _make_template(port)
    name = _new_name()
    await _as_superuser(port, "postgres", f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} OWNER observatory")
    return _url(port, name)


async def new_empty_database(stack: LiveStack) -> str:
    """The URL of a database without any of our tables."""
    port, name = urlsplit(stack.database_url).port, _new_name()
    await _create(port, name)
    return _url(port, name)


async def _make_template(port: int | None) -> None:
    """What is marked as a template is complete. Nobody may be connected to what is copied, TimescaleDB neither."""
    (found,) = await _as_superuser(
        port, "postgres", f"SELECT count(*) FROM pg_database WHERE datname = '{TEMPLATE}' AND datistemplate"
    )
    if found["count"]:
        return
    await _as_superuser(port, "postgres", f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)")
    await _create(port, TEMPLATE)
    await set_up(_url(port, TEMPLATE), MIGRATIONS)
    await _as_superuser(port, "postgres", f"ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false")
    leave = f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{TEMPLATE}'"
    await _as_superuser(port, "postgres", leave)
    await _as_superuser(port, "postgres", f"ALTER DATABASE {TEMPLATE} IS_TEMPLATE true")


async def _create(port: int | None, name: str) -> None:
    await _as_superuser(port, "postgres", f"CREATE DATABASE {name} OWNER observatory")
    await _as_superuser(port, name, "CREATE EXTENSION timescaledb")


async def _as_superuser(port: int | None, database: str, statement: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(f"postgresql://postgres@127.0.0.1:{port}/{database}")
    try:
        return list(await connection.fetch(statement))
    finally:
        await connection.close()


def _new_name() -> str:
    return f"test_{uuid4().hex[:12]}"


def _url(port: int | None, name: str) -> str:
    return f"postgresql://observatory@127.0.0.1:{port}/{name}"
