"""The price book in the database: read whole or from a version on, added to in one transaction a version.

Every call may raise one of `pool.TRANSIENT` while the database is away.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal

import orjson
from asyncpg import Record

from observatory.adapters.postgres.pool import Connection, Pool
from observatory.adapters.postgres.queries import load_queries
from observatory.rules.own_prices import RecordedRow
from observatory.rules.price_book import PriceBook, PriceVersion, Source
from observatory.rules.price_rows import PriceRow
from schemas.base import decimal_text

_SQL = load_queries("observatory.adapters.postgres", "prices.sql")
_FIELDS = tuple(field.name for field in fields(PriceRow))
_QUERY_S = 60


class NoPrices(Exception):
    """The price book is empty."""


async def newest_version(pool: Pool) -> int:
    """The newest version's number; 0 for an empty book."""
    return int(await pool.fetchval(_SQL["newest"]))


@dataclass(frozen=True, slots=True)
class News:
    """What was recorded after a version."""

    versions: Sequence[Record]
    rows: Sequence[Record]

    async def on(self, book: PriceBook) -> PriceBook:
        """The book with it. A whole list takes a few hundred ms: not of the event loop."""
        return await asyncio.to_thread(self._on, book) if self.versions else book

    def _on(self, book: PriceBook) -> PriceBook:
        return book.extended([PriceVersion(**row) for row in self.versions], [_recorded(row) for row in self.rows])


async def read_news(pool: Pool, version: int) -> News:
    """What is newer than that version; everything after 0. Raises `NoPrices` when that is nothing."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        versions = await connection.fetch(_SQL["versions"], version, timeout=_QUERY_S)
        rows = await connection.fetch(_SQL["rows"], version, timeout=_QUERY_S) if versions else []
    if not versions and not version:
        raise NoPrices("the price book is empty: 'observatory migrate' imports the shipped prices")
    return News(versions, rows)


async def load_book(pool: Pool, known: PriceBook | None = None) -> PriceBook:
    """The book as it is now; `known` is an earlier snapshot, of which nothing is read again.

    Raises `NoPrices` for an empty book: everything would be without a price.
    """
    book = known or PriceBook([], [])
    return await (await read_news(pool, book.version)).on(book)


async def record(pool: Pool, source: Source, rows: Sequence[PriceRow], note: str = "") -> PriceVersion:
    """Adds rows that were checked as a new version."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(_SQL["lock"])
        return await _add(connection, None, source, rows, note)


async def record_shipped(pool: Pool, name: str, rows: Iterable[PriceRow]) -> PriceVersion | None:
    """Adds a shipped list as the version of that name. None when the book has it already; then `rows` is not asked."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(_SQL["lock"])
        if await connection.fetchrow(_SQL["version_named"], name) is not None:
            return None
        return await _add(connection, name, "shipped", list(rows), "")


async def _add(
    connection: Connection, name: str | None, source: Source, rows: Sequence[PriceRow], note: str
) -> PriceVersion:
    added = await connection.fetchrow(_SQL["add_version"], name, source, note)
    if added is None:
        raise RuntimeError("INSERT … RETURNING gave no row")
    version = PriceVersion(**added)
    await connection.copy_records_to_table(
        "prices",
        schema_name="ledger",
        columns=["version", *_FIELDS],
        records=[(version.version, *_values(row)) for row in rows],
    )
    return version


def _values(row: PriceRow) -> Iterable[object]:
    for name in _FIELDS:
        value = getattr(row, name)
        yield _multipliers_json(row) if name == "multipliers" else value


def _multipliers_json(row: PriceRow) -> str:
    return orjson.dumps({tier: decimal_text(factor) for tier, factor in row.multipliers}).decode()


def _recorded(row: Record) -> RecordedRow:
    values = dict(row)
    version = values.pop("version")
    given: dict[str, str] = orjson.loads(values["multipliers"])
    values["multipliers"] = tuple((tier, Decimal(factor)) for tier, factor in sorted(given.items()))
    return RecordedRow(version, PriceRow(**values))
