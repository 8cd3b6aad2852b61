"""States and offsets of the stateful processors: SQL only; what is written when is decided by `streams.engine`."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg

from observatory.adapters.postgres.pool import Connection, Database, Pool
from observatory.adapters.postgres.queries import load_queries

_SQL = load_queries("observatory.adapters.postgres", "streams.sql")


Row = tuple[object, ...]


class Input(NamedTuple):
    """One partition of one topic as one sink reads it."""

    sink: str
    topic: str
    part: int


class Stored(NamedTuple):
    """How far an input was applied, in its newest log."""

    log_epoch: int
    next_offset: int
    last_record_at: datetime | None


class Step(NamedTuple):
    """An input moves on to an offset."""

    input: Input
    log_epoch: int
    next_offset: int
    last_record_at: datetime | None
    applied_until: datetime


class KeptState(NamedTuple):
    """One row of a fold's table; `state` is JSON text."""

    part: int
    key: str
    version: int
    touched_at: datetime
    state: str


async def stored_offsets(database: Database, sinks: Sequence[str], topics: Sequence[str]) -> dict[Input, Stored]:
    """How far each input is applied; those that were never read are missing."""
    rows = await database.fetch(_SQL["stored_offsets"], list(sinks), list(topics))
    return {Input(*row[:3]): Stored(*row[3:]) for row in map(tuple, rows)}


async def open_logs(pool: Pool, owner: str, begins: Iterable[tuple[Input, int, int]]) -> None:
    """Begins logs, each from `(input, log_epoch, next_offset)`; a row that is there already stays."""
    rows = [(*source, epoch, offset) for source, epoch, offset in begins]
    if rows:
        await pool.execute(_SQL["open_logs"], owner, *map(list, zip(*rows, strict=True)))


async def lock_offsets(connection: Connection, sinks_and_parts: Iterable[tuple[str, int]]) -> dict[Input, Stored]:
    """Locks the offsets of these sinks and partitions, of every topic, and tells where they stand.

    All lockers go in one order, so none waits for another in a circle.
    """
    columns = list(map(list, zip(*sinks_and_parts, strict=True)))
    found: dict[Input, Stored] = {}
    for sink, topic, part, epoch, offset in await connection.fetch(_SQL["lock_offsets"], *columns):
        found[Input(sink, topic, part)] = Stored(epoch, offset, None)
    return found


async def move_offsets(connection: Connection, owner: str, steps: Iterable[Step]) -> None:
    """Moves offsets that this transaction has locked."""
    rows = [(*step.input, *step[1:]) for step in steps]
    await connection.execute(_SQL["move_offsets"], owner, *map(list, zip(*rows, strict=True)))


async def begin_epochs(connection: Connection, owner: str, locked: Iterable[Input]) -> None:
    """Begins a new log epoch for offsets that this transaction has locked, at the same places."""
    await connection.execute(_SQL["begin_epochs"], owner, *map(list, zip(*locked, strict=True)))


async def note_drained(pool: Pool, drained: Iterable[tuple[Input, int, int, datetime]]) -> None:
    """Moves `applied_until` of inputs that are still at `(input, log_epoch, next_offset, until)`."""
    rows = [(*source, *rest) for source, *rest in drained]
    if rows:
        await pool.execute(_SQL["note_drained"], *map(list, zip(*rows, strict=True)))


async def load_states(
    database: Database, table: str, names: Iterable[tuple[int, str]]
) -> list[tuple[int, str, int, str]]:
    """`(part, key, version, state)` of those that exist."""
    columns = map(list, zip(*names, strict=True))
    rows = await database.fetch(_SQL["load_states"].format(table=table), *columns)
    return [(row["part"], row["key"], row["version"], row["state"]) for row in rows]


async def keep_states(connection: Connection, table: str, states: Iterable[KeptState]) -> None:
    """Writes states, new ones and over old ones. They are sorted, so that two writers never wait in a circle."""
    if ordered := sorted(states):
        columns = map(list, zip(*ordered, strict=True))
        await connection.execute(_SQL["keep_states"].format(table=table), *columns)


async def add_states(connection: Connection, table: str, states: Iterable[KeptState]) -> None:
    """Writes states that are new, for half of what it costs to look first whether they are.

    Raises `asyncpg.UniqueViolationError` for one that is there: nobody else may write states of these partitions.
    """
    if ordered := sorted(states):
        await _copy(connection, f"streams.{table}", KeptState._fields, ordered)


async def add_rows(connection: Connection, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Writes rows to a table that is named with its schema; those that are there already stay as they are.

    Nearly always all are new, and to copy them where they belong costs half.
    """
    try:
        async with connection.transaction():
            await _copy(connection, table, columns, rows)
    except asyncpg.UniqueViolationError:
        names = {"table": table, "staged": f"staged_{table.rpartition('.')[2]}", "columns": ", ".join(columns)}
        await connection.execute(_SQL["create_staging"].format(**names))
        await _copy(connection, names["staged"], columns, rows)
        await connection.execute(_SQL["insert_staged"].format(**names))


async def _copy(connection: Connection, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Values that are none of a column's raise `asyncpg.DataError`, as they do in any other statement."""
    schema, _, name = table.rpartition(".")
    try:
        await connection.copy_records_to_table(name, schema_name=schema or None, columns=columns, records=rows)
    except (TypeError, ValueError, OverflowError) as error:
        raise asyncpg.DataError(f"{table}: {error}") from error


async def all_states(database: Database, table: str, part: int) -> list[KeptState]:
    """Every state of one partition, by key."""
    return [KeptState(*row) for row in await database.fetch(_SQL["all_states"].format(table=table), part)]


async def delete_states(connection: Connection, table: str, parts: Sequence[int]) -> None:
    """Removes the states of these partitions."""
    await connection.execute(_SQL["delete_states"].format(table=table), list(parts))


class FoldRow(NamedTuple):
    """How far a fold is: records applied in all, and up to when its topics are applied everywhere."""

    fold: str
    records: int
    complete_until: datetime | None


async def fold_rows(pool: Pool, folds: Iterable[tuple[str, str]]) -> list[FoldRow]:
    """How far folds are, from `(name, sink)` of each."""
    rows = await pool.fetch(_SQL["fold_rows"], *map(list, zip(*folds, strict=True)))
    return [FoldRow(*row) for row in rows]


async def count_states(pool: Pool, table: str) -> int:
    """How many states a fold has; no more than a million are counted."""
    return int(await pool.fetchval(_SQL["count_states"].format(table=table)))


async def delete_untouched(pool: Pool, table: str, keep: timedelta, most: int) -> int:
    """Removes up to `most` states that nothing changed for so long; returns how many."""
    status = await pool.execute(_SQL["delete_untouched"].format(table=table), keep, most)
    return int(status.split()[-1])
