"""Bulk writes by COPY, several times as cheap for the writer as the driver's own, which encodes value by value.

The JSON of a row is its CSV: texts stand in double quotes, numbers and `null` stand bare, and no line break is left. So
an encoder of JSON, which has no detour through Python, does all the work. Exact: a `Decimal` travels as its digits, a
float as the shortest text that is read as the same float, a time with its microseconds.
"""

from collections.abc import AsyncIterator, Iterable, Sequence

import msgspec

from observatory.adapters.postgres.pool import Connection

CHUNK_ROWS = 250
"""Rows that are encoded and sent as one piece: the server reads one while the next is sent."""

Rows = Sequence[tuple[object, ...]]

_encode = msgspec.json.Encoder().encode
_BACKSLASH = ord("\\")


async def copy_rows(
    connection: Connection, table: str, columns: Sequence[str], rows: Rows, *, schema: str | None = None
) -> None:
    """Appends rows whose values are those of `columns`: None, str, int, a finite float, Decimal, UUID, aware datetime.

    Raises what PostgreSQL raises, and `UnicodeEncodeError` for a text that is not Unicode (half a surrogate pair).
    """
    pieces = (csv_lines(rows[start : start + CHUNK_ROWS]) for start in range(0, len(rows), CHUNK_ROWS))
    await copy_lines(connection, table, columns, pieces, schema=schema)


async def copy_lines(
    connection: Connection, table: str, columns: Sequence[str], pieces: Iterable[bytes], *, schema: str | None = None
) -> None:
    """Appends rows that `csv_lines` made. Raises what PostgreSQL raises."""
    await connection.copy_to_table(
        table, schema_name=schema, columns=columns, source=_asynchronous(pieces),
        format="csv", delimiter=",", null="null", quote='"', escape="\\",
    )  # fmt: skip


async def _asynchronous(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def csv_lines(rows: Rows) -> bytes:
    r"""The rows as CSV whose null is `null` and whose escape is `\`, each ended by a line feed."""
    if not rows:
        return b""
    lines = b"\n".join([_encode(row)[1:-1] for row in rows]) + b"\n"
    return b"".join(map(_csv_line, rows)) if _has_escapes_of_json(lines) else lines


def _has_escapes_of_json(encoded: bytes) -> bool:
    r"""Whether there are escapes other than `\"` and `\\`, which CSV does not know."""
    # A run of backslashes begins with one that escapes, so taking them in pairs from the left takes them rightly.
    return _BACKSLASH in encoded and _BACKSLASH in encoded.replace(b"\\\\", b"").replace(b'\\"', b"")


def _csv_line(row: tuple[object, ...]) -> bytes:
    line = _encode(row)[1:-1]
    if _has_escapes_of_json(line):
        line = b",".join(map(_csv_value, row))
    return line + b"\n"


def _csv_value(value: object) -> bytes:
    if isinstance(value, str):
        # Within quotes everything stands as it is, line breaks too, but for the quote and the escape.
        return b'"' + value.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'
    return _encode(value)
