"""How commands print: data on stdout (a table, or JSON with --json), progress and remarks on stderr."""

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from io import TextIOWrapper
from typing import TypeAlias
from uuid import UUID

import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from observatory.cli.consoles import Output
from observatory.cli.fitting import FittingTable
from schemas.base import decimal_text, rfc3339

PIPED_WIDTH = 400

Value: TypeAlias = object
"""What JSON can say, and besides: Decimal (a decimal string), datetime (RFC 3339), UUID."""


def stdout() -> Console:
    """Where tables go. Piped, they keep their full width; what the encoding lacks becomes a question mark."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    return Output(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)


def stderr() -> Console:
    """Where progress and remarks go, in whole lines where it is no terminal."""
    return Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else PIPED_WIDTH)


def json_text(value: Value, *, indent: bool = False) -> str:
    """One JSON document; decimals as strings with all digits, times as RFC 3339."""
    return orjson.dumps(value, default=_plain, option=_options(indent)).decode()


def _options(indent: bool) -> int:
    return orjson.OPT_PASSTHROUGH_DATETIME | (orjson.OPT_INDENT_2 if indent else 0)


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID):  # the database's client has a class of its own, which orjson does not know
        return str(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


def print_json(value: Value, *, indent: bool = False) -> None:
    """One JSON document and a line end on stdout, flushed, so that a pipe sees it at once."""
    sys.stdout.write(json_text(value, indent=indent) + "\n")
    sys.stdout.flush()


def print_csv(rows: Iterable[Mapping[str, Value]]) -> None:
    """Rows of the same names on stdout, under a line of their names; values as in JSON, None as nothing."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for number, row in enumerate(rows):
        if number == 0:
            writer.writerow(row)
        writer.writerow("" if value is None else _text(value) for value in row.values())
    sys.stdout.flush()


def _text(value: Value) -> str:
    return str(_plain(value)) if isinstance(value, Decimal | date | UUID) else str(value)


def table(columns: Sequence[str], *, left: int = 1, title: str | None = None, expendable: Sequence[str] = ()) -> Table:
    """An empty table; the first `left` columns are texts, the others numbers.

    The `expendable` ones may be left out where there is no room, the first ones first.
    """
    result = FittingTable(title=title, expendable=expendable)
    for position, name in enumerate(columns):
        numeric = position >= left
        result.add_column(name, justify="right" if numeric else "left", no_wrap=numeric, overflow="fold")
    return result


def cell(value: object) -> str:
    """A value in a table: integers in groups of thousands, decimals without trailing zeros, None as a dash."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Decimal):
        return decimal_text(value.normalize())
    if isinstance(value, float):
        return f"{value:,.1f}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return escape(str(value))


def add_row(target: Table, *values: object, style: str | None = None) -> None:
    """Adds a row of values, each as `cell` writes it."""
    target.add_row(*(cell(value) for value in values), style=style)
