"""Compares tables of two databases row by row, both sides streamed in the same order: memory does not grow with them.

Rows are compared as PostgreSQL writes them, with decimals trimmed, so 1.0 equals 1.00 and nothing else is equal that
differs in a digit.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from observatory.adapters.postgres.pool import Connection
from observatory.adapters.postgres.queries import load_queries

_SQL = load_queries("observatory.adapters.postgres", "compare.sql")
_NULL = b"\\N"
_ESCAPES = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_BUFFERED = 8
_TELL_EVERY = 4096

Lines = list[bytes]


class TablesDiffer(Exception):
    """The two databases do not have the same columns; the message names the table."""


@dataclass(frozen=True, kw_only=True)
class ComparedTable:
    """A table of the schema `ledger`: rows are named by `time` and `names`.

    `ignored` columns say nothing about what happened. Of a `summed` table only the sums over rows of one name mean
    something, and a row of nothing but zeros is as good as none.
    """

    name: str
    time: str
    names: tuple[str, ...]
    ignored: frozenset[str]
    summed: bool = False


REPLAYED = (
    # Which of several records of one revision was applied first is chance where they came in different partitions.
    ComparedTable(
        name="calls",
        time="started_at",
        names=("call_id",),
        ignored=frozenset({"recorded_at", "topic_partition", "topic_offset"}),
    ),
    ComparedTable(
        name="rollup_1m",
        time="bucket",
        names=("tenant_id", "provider", "model", "operation"),
        ignored=frozenset({"part"}),
        summed=True,
    ),
    ComparedTable(
        name="adjustments",
        time="adjusted_at",
        names=("adjustment_id",),
        ignored=frozenset({"recorded_at", "topic_partition", "topic_offset"}),
    ),
)
"""Every table that the ledger writes from `llm.calls`."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A row that is not the same: `missing` on the first side, `extra` there, or other values in `columns`.

    Values are texts as PostgreSQL writes them, first side first; None is null.
    """

    table: str
    kind: Literal["missing", "extra", "differs"]
    name: Mapping[str, str | None]
    columns: Mapping[str, tuple[str | None, str | None]]


@dataclass(kw_only=True)
class Comparison:
    """What was found in one table: rows of each side, differences by kind, the first of them in full."""

    table: str
    rows: tuple[int, int] = (0, 0)
    differences: dict[str, int] = field(default_factory=dict)
    shown: list[Difference] = field(default_factory=list)


async def begin_snapshot(connection: Connection) -> None:
    """For the first statement of a transaction that only reads."""
    await connection.execute(_SQL["one_snapshot"])


async def compare(
    table: ComparedTable,
    first: Connection,
    second: Connection,
    *,
    since: datetime,
    shown: int,
    on_progress: Callable[[int], None],
) -> Comparison:
    """Compares the rows from `since` on; at most `shown` differences are kept in full, all are counted.

    `on_progress` is told now and then how many rows of the first side were seen. Raises `TablesDiffer`.
    """
    columns = await _columns(first, table)
    if columns != await _columns(second, table):
        raise TablesDiffer(f"ledger.{table.name} has other columns than our migrations give it")
    statement = _statement(table, columns)
    merge = _Merge(table, list(columns), shown)
    async with (
        aclosing(_lines(first, statement, since)) as left_batches,
        aclosing(_lines(second, statement, since)) as right_batches,
    ):
        await merge.run(left_batches, right_batches, on_progress)
    return merge.result


async def _columns(connection: Connection, table: ComparedTable) -> dict[str, str]:
    """The compared columns of a table and their types, in order."""
    rows = await connection.fetch(_SQL["columns"], table.name)
    return {row["column_name"]: row["udt_name"] for row in rows if row["column_name"] not in table.ignored}


def _statement(table: ComparedTable, columns: Mapping[str, str]) -> str:
    key = {table.time, *table.names}
    written = [_written(name, kind, summed=table.summed and name not in key) for name, kind in columns.items()]
    # Texts in the order of their bytes, as we compare them here, whatever the database's own order is.
    order = [f'{name} COLLATE "C"' if columns[name] == "text" else name for name in table.names]
    return _SQL["sums" if table.summed else "rows"].format(
        table=table.name,
        time=table.time,
        columns=", ".join(written),
        names=", ".join(table.names),
        order=", ".join([table.time, *order]),
    )


def _written(name: str, kind: str, *, summed: bool) -> str:
    """A column, or its sum, in the one way in which equal values are equal texts."""
    if kind == "numeric":
        return f"trim_scale(sum({name}))" if summed else f"trim_scale({name})"
    if not summed:
        return name
    return f"ledger.hist_sum({name})" if kind == "_int8" else f"sum({name})::bigint"


async def _lines(connection: Connection, statement: str, since: datetime) -> AsyncGenerator[Lines, None]:
    """The rows as lines of COPY's text format, in batches; the server waits while nobody takes them."""
    chunks: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(_BUFFERED)

    async def copy() -> None:
        try:
            await connection.copy_from_query(statement, since, output=chunks.put)
        except Exception as error:
            # Of whatever kind: the reader raises it.
            await chunks.put(error)
        else:
            await chunks.put(None)

    copying = asyncio.create_task(copy())
    rest = b""
    try:
        while (chunk := await chunks.get()) is not None:
            if isinstance(chunk, Exception):
                raise chunk
            *lines, rest = (rest + chunk).split(b"\n")
            if lines:
                yield lines
    finally:
        copying.cancel()
        await asyncio.gather(copying, return_exceptions=True)


class _Side:
    """One side's rows, one at a time."""

    def __init__(self, batches: AsyncIterator[Lines]) -> None:
        self._batches = batches
        self._lines: Lines = []
        self._next = 0
        self.rows = 0
        self.line: bytes | None = None

    async def advance(self) -> None:
        """To the next row; `line` is None after the last."""
        if self._next == len(self._lines):
            self._lines, self._next = await anext(self._batches, []), 0
            if not self._lines:
                self.line = None
                return
        self.line = self._lines[self._next]
        self._next += 1
        self.rows += 1


class _Merge:
    """Two sides in the same order, merged by the names of their rows."""

    def __init__(self, table: ComparedTable, columns: Sequence[str], shown: int) -> None:
        self._table, self._columns, self._shown = table, columns, shown
        # The time in microseconds stands before the columns.
        self._positions = [columns.index(name) + 1 for name in table.names]
        self.result = Comparison(table=table.name)

    async def run(
        self,
        left_batches: AsyncIterator[Lines],
        right_batches: AsyncIterator[Lines],
        on_progress: Callable[[int], None],
    ) -> None:
        left, right = _Side(left_batches), _Side(right_batches)
        await left.advance()
        await right.advance()
        while left.line is not None or right.line is not None:
            if left.line == right.line:
                await left.advance()
                await right.advance()
            else:
                await self._unequal(left, right)
            if left.rows % _TELL_EVERY == 0:
                on_progress(left.rows)
        on_progress(left.rows)
        self.result.rows = (left.rows, right.rows)

    async def _unequal(self, left: _Side, right: _Side) -> None:
        ours = None if left.line is None else left.line.split(b"\t")
        theirs = None if right.line is None else right.line.split(b"\t")
        if ours is not None and theirs is not None and self._key(ours) == self._key(theirs):
            self._note("differs", ours, theirs)
            await left.advance()
            await right.advance()
        elif theirs is None or (ours is not None and self._key(ours) < self._key(theirs)):
            self._note("extra", ours, None)
            await left.advance()
        else:
            self._note("missing", None, theirs)
            await right.advance()

    def _key(self, fields: Sequence[bytes]) -> tuple[int, list[bytes]]:
        return int(fields[0]), [_unescaped(fields[position]) for position in self._positions]

    def _note(
        self, kind: Literal["missing", "extra", "differs"], ours: list[bytes] | None, theirs: list[bytes] | None
    ) -> None:
        one = ours or theirs or []
        if (ours is None or theirs is None) and self._table.summed and self._is_nothing(one):
            return
        self.result.differences[kind] = self.result.differences.get(kind, 0) + 1
        if len(self.result.shown) == self._shown:
            return
        name = {
            column: _text(one[self._columns.index(column) + 1]) for column in (self._table.time, *self._table.names)
        }
        columns = {}
        if ours is not None and theirs is not None:
            pairs = zip(self._columns, ours[1:], theirs[1:], strict=True)
            columns = {column: (_text(mine), _text(other)) for column, mine, other in pairs if mine != other}
        self.result.shown.append(Difference(table=self._table.name, kind=kind, name=name, columns=columns))

    def _is_nothing(self, fields: Sequence[bytes]) -> bool:
        key = {self._table.time, *self._table.names}
        sums = (value for column, value in zip(self._columns, fields[1:], strict=True) if column not in key)
        return all(value in (b"0", b"{}") for value in sums)


def _text(value: bytes) -> str | None:
    return None if value == _NULL else _unescaped(value).decode()


def _unescaped(value: bytes) -> bytes:
    """A field of COPY's text format as it is in the table."""
    if b"\\" not in value:
        return value
    first, *rest = value.split(b"\\")
    result, literal = first, False
    for part in rest:
        if literal:
            result, literal = result + part, False
        elif not part:
            result, literal = result + b"\\", True
        else:
            result += _ESCAPES.get(part[:1], part[:1]) + part[1:]
    return result
