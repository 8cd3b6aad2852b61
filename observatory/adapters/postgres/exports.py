"""What the database does with an export: rows by call are staged and joined, sums of ours are read."""

from collections.abc import AsyncIterable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from asyncpg import Record

from observatory.adapters.postgres.pool import Connection, Pool
from observatory.adapters.postgres.queries import load_queries
from observatory.rules.drift import BUCKETS, Figures, Key, Ours

_SQL = load_queries("observatory.adapters.postgres", "exports.sql")
_QUERY_S = 600


class Matches(NamedTuple):
    """How the rows by call of an export and our facts fit: rows, those with a fact of ours, those of them with other
    tokens than the fact, and facts without a row."""

    rows: int
    matched: int
    differing: int
    ours_alone: int


async def stage(connection: Connection, rows: AsyncIterable[tuple[object, ...]]) -> None:
    """Copies rows into a temporary table of this connection, which goes with it."""
    await connection.execute(_SQL["drop_staging"])
    await connection.execute(_SQL["create_staging"])
    await connection.copy_records_to_table("exported_calls", records=rows)
    await connection.execute(_SQL["staged"])


async def duplicates(connection: Connection) -> list[Record]:
    """What more than one staged row is about: `id`, `places`."""
    return await connection.fetch(_SQL["duplicates"], timeout=_QUERY_S)


async def unsettled(connection: Connection, provider: str, since: datetime, until: datetime) -> list[Record]:
    """Attempts that may be settled, each with each staged row of it, whose own start is `exported_started_at`."""
    return await connection.fetch(_SQL["unsettled"], provider, since, until, timeout=_QUERY_S)


async def matches(connection: Connection, provider: str, since: datetime, until: datetime) -> Matches:
    """How the staged rows and the facts of a period fit."""
    row = await connection.fetchrow(_SQL["matches"], provider, since, until, timeout=_QUERY_S)
    assert row is not None
    return Matches(*row)


async def behind(pool: Pool, provider: str, since: datetime, until: datetime) -> int:
    """Calls of a period that are under way or not in the ledger as they are now."""
    return int(await pool.fetchval(_SQL["behind"], provider, since, until, timeout=_QUERY_S))


async def ours(connection: Connection, provider: str, days: Iterable[date]) -> Mapping[Key, Ours]:
    """What is booked of a provider on these days, by model and day."""
    rows = await connection.fetch(_SQL["ours"], provider, list(days), timeout=_QUERY_S)
    return {(row["model"], row["day"]): _ours(row) for row in rows}


def _ours(row: Record) -> Ours:
    tokens = {name: int(row[name]) for name in BUCKETS}
    usd: Decimal = row["cost_usd"]
    return Ours(figures=Figures(calls=row["calls"], tokens=tokens, usd=usd), unpriced_calls=row["unpriced_calls"])
