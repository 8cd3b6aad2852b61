"""An arrival trace in Azure's format: `TIMESTAMP,ContextTokens,GeneratedTokens`, one request a row, oldest first.

Times are UTC with up to seven decimals; they are kept exact, in steps of 100 ns. What is malformed is refused with
the number of its line, never skipped.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

HEADER = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"]
MOST_INPUT, MOST_OUTPUT = 10_000_000, 1_000_000
"""The most that the simulator can be asked for."""

_TIME = re.compile(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)(?:\.(\d{1,7}))?", re.ASCII)
_STEPS_A_SECOND = 10_000_000


class TraceError(Exception):
    """A trace cannot be read; the message names the line."""


@dataclass(frozen=True, slots=True)
class Row:
    """One request of the trace: when it came, in seconds after the first, and its tokens."""

    line: int
    after_s: float
    context_tokens: int
    generated_tokens: int


def read_trace(path: Path, limit: int | None = None) -> list[Row]:
    """The rows of a file, at most `limit`. Raises `TraceError`."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return list(rows_of(file, limit))
    except (OSError, UnicodeDecodeError) as error:
        raise TraceError(f"{path}: {error}") from error


def rows_of(lines: Iterable[str], limit: int | None = None) -> Iterator[Row]:
    """The rows of a trace, at most `limit`. Raises `TraceError` for the first malformed one, and for none at all."""
    reader = csv.reader(lines)
    header = next(reader, None)
    if header != HEADER:
        raise TraceError(f"line 1: the header must be {','.join(HEADER)}")
    first: int | None = None
    last = 0
    for count, fields in enumerate(reader):
        if count == limit:
            return
        line = reader.line_num
        if len(fields) != len(HEADER):
            raise TraceError(f"line {line}: {len(fields)} fields where {len(HEADER)} are expected")
        steps = _steps(fields[0], line)
        first = steps if first is None else first
        if steps < last:
            raise TraceError(f"line {line}: {fields[0]} is earlier than the row before")
        last = steps
        context, generated = _tokens(fields[1], MOST_INPUT, line), _tokens(fields[2], MOST_OUTPUT, line)
        yield Row(line, (steps - first) / _STEPS_A_SECOND, context, generated)
    if first is None:
        raise TraceError("line 2: the trace has no rows")


def _steps(text: str, line: int) -> int:
    """A time in steps of 100 ns."""
    match = _TIME.fullmatch(text.strip())
    try:
        if match is None:
            raise ValueError(text)
        seconds = int(datetime.fromisoformat(match[1]).replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise TraceError(f"line {line}: {text[:60]!r} is no time like 2023-11-16 18:17:03.9799600") from None
    return seconds * _STEPS_A_SECOND + int((match[2] or "").ljust(7, "0"))


def _tokens(text: str, most: int, line: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 12 and int(text) <= most):
        raise TraceError(f"line {line}: {text[:60]!r} is no number of tokens from 0 to {most:,}")
    return int(text)
