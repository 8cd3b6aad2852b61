"""Price files of commands: read, and refused with every line that is wrong."""

import sys
from pathlib import Path

from observatory.cli.problems import Problem, wrong_usage
from observatory.rules.price_book import PriceBook
from observatory.rules.price_files import Format, PriceFileError, parse_price_file
from observatory.rules.price_rows import PriceRow

_SAY_FORMAT = "is it CSV or JSON Lines? Say --format csv or --format jsonl"
_BY_SUFFIX: dict[str, Format] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def format_of(file: Path) -> Format | None:
    """What the file's name says; None where it says nothing."""
    return _BY_SUFFIX.get(file.suffix.lower())


def read_price_file(file: Path, form: Format | None, *, hint: str = _SAY_FORMAT) -> tuple[Format, bytes]:
    """What is in the file, `-` being stdin, and its format; `hint` says how to tell it. Raises `Problem`."""
    chosen = form or format_of(file)
    if chosen is None:
        missing = "" if str(file) == "-" or file.exists() else "; and there is no such file"
        raise wrong_usage(f"{file}: {hint}{missing}")
    try:
        return chosen, sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise wrong_usage(f"{file}: {error.strerror or error}") from error


def rows_of_file(file: Path, form: Format, data: bytes, book: PriceBook) -> list[PriceRow]:
    """The rows of a file, fit to be a version of the book. Raises `Problem` with a line for all that is wrong."""
    tables = frozenset() if book.shipped is None else book.shipped.providers
    try:
        return parse_price_file(data, form, tables)
    except PriceFileError as error:
        problems = [f"{file}:{line}: {message}" for line, message in error.problems]
        raise Problem("\n".join([f"{file} is refused, nothing of it was recorded:", *problems])) from error
