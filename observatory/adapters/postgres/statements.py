"""Pieces of statements that are put together: numbered arguments, and conditions for parts of a period."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from observatory.rules.periods import Window

BRANCHES = 8
"""Parts of a period that are read each by itself; more are read together."""


class Arguments:
    """What a statement is given, by number."""

    def __init__(self) -> None:
        self.values: list[object] = []

    def add(self, value: object, kind: str) -> str:
        """Its place in the statement, with its type."""
        self.values.append(value)
        return f"${len(self.values)}::{kind}"


def at(column: str, buckets: Sequence[datetime], arguments: Arguments) -> str:
    """The condition for these buckets."""
    return f"{column} = ANY ({arguments.add(buckets, 'timestamptz[]')})"


def ranges(column: str, windows: Sequence[Window], arguments: Arguments) -> Iterator[str]:
    """Conditions for all windows, a few for each: first the bounds, by which whole chunks are left out."""
    together = max(1, -(-len(windows) // BRANCHES))
    for first in range(0, len(windows), together):
        some = windows[first : first + together]
        inner = [within(column, each, arguments) for each in some] if len(some) > 1 else []
        bounds = within(column, Window(some[0].start, some[-1].end), arguments)
        yield f"{bounds} AND ({' OR '.join(inner)})" if inner else bounds


def within(column: str, each: Window, arguments: Arguments) -> str:
    """The condition for a window."""
    start, end = arguments.add(each.start, "timestamptz"), arguments.add(each.end, "timestamptz")
    return f"({column} >= {start} AND {column} < {end})"
