"""Reads a price file: CSV with a header line, or JSON Lines, one price a line with the fields of `PriceRow`.

A file is taken whole or not at all: everything that is wrong with it is told, each with its line.
"""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Literal, NamedTuple

from observatory.rules.price_checks import problems_in
from observatory.rules.price_rows import PRICE_FIELDS, PriceRow
from schemas.base import MAX_NAME_LENGTH

Format = Literal["csv", "jsonl"]
CURRENCY = "USD"

_AMOUNT = re.compile(r"[+-]?[0-9]{1,64}(\.[0-9]{1,64})?([eE][+-]?[0-9]{1,3})?")
_NOT_FINITE = re.compile(r"[+-]?(s?nan|inf|infinity)", re.IGNORECASE)
_NAME = re.compile(rf"[^\x00-\x1f\x7f\ud800-\udfff]{{1,{MAX_NAME_LENGTH}}}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOST_UNKNOWN = 20
"""Names in a header of which it is said that they are no fields."""


class LineProblem(NamedTuple):
    """What is wrong in a line; lines are counted from 1."""

    line: int
    message: str


class PriceFileError(Exception):
    """The file is refused; `problems` are all that there are, by line."""

    def __init__(self, problems: Iterable[LineProblem]) -> None:
        self.problems = sorted(problems, key=lambda problem: problem.line)
        super().__init__("; ".join(f"line {line}: {message}" for line, message in self.problems))


class BadValue(Exception):
    """A value does not fit its field; the message says why."""


def parse_price_file(data: bytes, form: Format, providers: Collection[str]) -> list[PriceRow]:
    """The rows of a file, fit to become one version. `providers` are the price tables that there are.

    Raises `PriceFileError`.
    """
    problems: list[LineProblem] = []
    lines = list(_lines(data, form, problems))
    found: list[tuple[int, PriceRow]] = []
    for line, fields in lines:
        row = _row(line, fields, providers, problems)
        if row is not None:
            found.append((line, row))
    for position, message, other in problems_in([row for _, row in found]):
        also = "" if other is None else f": see line {found[other][0]}"
        problems.append(LineProblem(found[position][0], message + also))
    if not lines and not problems:
        problems.append(LineProblem(1, "there is no price in the file"))
    if problems:
        raise PriceFileError(problems)
    return [row for _, row in found]


def _lines(data: bytes, form: Format, problems: list[LineProblem]) -> Iterator[tuple[int, Mapping[str, object]]]:
    """The fields of each price with its line; empty ones are left out."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problems.append(LineProblem(data[: error.start].count(b"\n") + 1, "this is no UTF-8 text"))
        return
    yield from (_csv_lines if form == "csv" else _json_lines)(text, problems)


def _csv_lines(text: str, problems: list[LineProblem]) -> Iterator[tuple[int, Mapping[str, object]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = [cell.strip() for cell in cells]
                if not _is_header(reader.line_num, header, problems):
                    return
            elif len(cells) != len(header):
                message = f"{len(cells)} cells under a header of {len(header)}"
                problems.append(LineProblem(reader.line_num, message))
            else:
                named = zip(header, (cell.strip() for cell in cells), strict=True)
                yield reader.line_num, {name: cell for name, cell in named if cell}
    except csv.Error as error:
        problems.append(LineProblem(reader.line_num, f"this is no CSV: {error}"))


def _is_header(line: int, header: list[str], problems: list[LineProblem]) -> bool:
    unknown = list(dict.fromkeys(name for name in header if name not in _FIELDS))
    twice = sorted(name for name, count in Counter(header).items() if count > 1)
    problems += [LineProblem(line, _unknown(name)) for name in unknown[:_MOST_UNKNOWN]]
    problems += [LineProblem(line, f"the column {name} stands twice") for name in twice if name in _FIELDS]
    return not unknown and not twice


def _json_lines(text: str, problems: list[LineProblem]) -> Iterator[tuple[int, Mapping[str, object]]]:
    for line, part in enumerate(text.split("\n"), 1):
        if not part.strip():
            continue
        try:
            value = json.loads(
                part, parse_float=amount, parse_constant=_no_constant, object_pairs_hook=_object_without_repeats
            )
        except BadValue as error:
            problems.append(LineProblem(line, str(error)))
        except (ValueError, RecursionError) as error:
            problems.append(LineProblem(line, f"this is no JSON: {error}"))
        else:
            if isinstance(value, dict):
                yield line, {name: item for name, item in value.items() if item is not None}
            else:
                problems.append(LineProblem(line, "this is no JSON object"))


def _no_constant(name: str) -> object:
    raise BadValue(f"{name} is no finite number")


def _object_without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted(name for name, count in Counter(names).items() if count > 1)
        raise BadValue(f"the field {', '.join(twice)[:64]} stands twice")
    return found


def _row(
    line: int, fields: Mapping[str, object], providers: Collection[str], problems: list[LineProblem]
) -> PriceRow | None:
    """None where a field is wrong."""
    values: dict[str, object] = {}
    wrong = []
    for name, given in fields.items():
        read = _FIELDS.get(name)
        if read is None:
            wrong.append(_unknown(name))
            continue
        try:
            values[name] = read(given)
        except BadValue as error:
            wrong.append(f"{name}: {error}")
    if "provider" not in fields:
        wrong.append("provider is missing")
    elif "provider" in values and values["provider"] not in providers:
        wrong.append(f"provider: there is no price table {values['provider']!r} (openai, azure, anthropic, …)")
    problems += [LineProblem(line, message) for message in wrong]
    if wrong:
        return None
    values.pop("currency", None)
    return PriceRow(**values)  # type: ignore[arg-type]  # each field was read by its own reader


def _unknown(name: str) -> str:
    return f"there is no field {name[:64]!r}; there are: {', '.join(_FIELDS)}"


def printable_name(given: object) -> str:
    """A name that people choose, as `schemas.base.Name`."""
    if not isinstance(given, str) or _NAME.fullmatch(given) is None:
        raise BadValue(f"a text of 1 to {MAX_NAME_LENGTH} printable characters is needed")
    return given


def amount(given: object) -> Decimal:
    """An exact decimal from a text or a JSON number; NaN and infinite ones are refused."""
    if isinstance(given, int | Decimal) and not isinstance(given, bool):
        return Decimal(given)
    text = given.strip() if isinstance(given, str) else str(given)
    if _NOT_FINITE.fullmatch(text):
        raise BadValue(f"{text} is no finite number")
    if not isinstance(given, str) or _AMOUNT.fullmatch(text) is None:
        raise BadValue(f"{text[:64]!r} is no decimal number")
    return Decimal(text)


def moment(given: object) -> datetime:
    """An RFC 3339 time with its zone, or a day, which begins at midnight UTC."""
    if isinstance(given, str):
        try:
            if _DATE.fullmatch(given):
                return datetime.combine(date.fromisoformat(given), time(), UTC)
            found = datetime.fromisoformat(given)
            if found.tzinfo is not None:
                return found.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        else:
            raise BadValue(f"{given!r} lacks its zone; write for example {given}Z")
    raise BadValue(f"{given!r} is no time; write for example 2026-11-24 or 2026-11-24T12:00:00Z")


def _tokens(given: object) -> int:
    if isinstance(given, str) and re.fullmatch(r"[0-9]{1,18}", given):
        return int(given)
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    raise BadValue(f"{given!r} is no number of tokens")


def multipliers(given: object) -> tuple[tuple[str, Decimal], ...]:
    """`batch=0.5 priority=1.75` or `{"batch": "0.5"}` as (service tier, factor), sorted."""
    if isinstance(given, str):
        pairs = [part.partition("=") for part in given.split()]
        if any(not (tier and equals) for tier, equals, _ in pairs):
            raise BadValue("write service tiers and factors as in: batch=0.5 priority=1.75")
        if len({tier for tier, _, _ in pairs}) != len(pairs):
            raise BadValue("a service tier stands twice")
        return tuple(sorted((printable_name(tier), amount(factor)) for tier, _, factor in pairs))
    if isinstance(given, Mapping):
        return tuple(sorted((printable_name(tier), amount(factor)) for tier, factor in given.items()))
    raise BadValue("an object of service tiers and factors is needed")


def _currency(given: object) -> str:
    if given != CURRENCY:
        raise BadValue(f"prices are in {CURRENCY}, not in {given!r}")
    return CURRENCY


def _flag(given: object) -> bool:
    if isinstance(given, bool):
        return given
    if given in ("true", "false"):
        return given == "true"
    raise BadValue(f"{given!r} is neither true nor false")


_FIELDS: Mapping[str, Callable[[object], object]] = {
    "provider": printable_name,
    **dict.fromkeys(("model", "tenant_id", "region", "deployment", "service_tier"), printable_name),
    "valid_from": moment,
    "valid_to": moment,
    "above_tokens": _tokens,
    **dict.fromkeys(PRICE_FIELDS, amount),
    "multipliers": multipliers,
    "currency": _currency,
    "withdrawn": _flag,
}
FILE_FIELDS = tuple(_FIELDS)
"""What a price file may hold, in the order of its columns."""
