"""How answers of `/api/v1/analytics` are written: the envelope as JSON, or the rows alone as CSV, streamed.

CSV is RFC 4180's, in UTF-8. A text that a spreadsheet would take for a formula gets an apostrophe before it; numbers
never do.
"""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from types import UnionType
from typing import TypeVar, Union, get_args, get_origin

import orjson
from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel

from observatory.rules.periods import Window
from schemas.base import Body, rfc3339
from schemas.http_analytics import AnalyticsAnswer, AnalyticsPeriod, AnyRow, PeriodParameters

T = TypeVar("T")

CSV = "text/csv; charset=utf-8"
JSON = "application/json"

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_STREAMED = 500
"""Rows that are written at once."""


def wants_csv(request: Request, parameters: PeriodParameters) -> bool:
    """As `format` says, else whether `Accept` names CSV and prefers it to JSON."""
    if parameters.format is not None:
        return parameters.format == "csv"
    wanted = _qualities(request.headers.get("accept", ""))
    return wanted.get("text/csv", 0.0) > max(wanted.get(JSON, 0.0), 0.0)


def json_answer(
    model: type[AnyRow],
    period: Window,
    watermark: datetime | None,
    rows: Sequence[AnyRow],
    following: str | None = None,
) -> Response:
    """The envelope. `following` is the cursor of the next page."""
    answer = AnalyticsAnswer[model](  # type: ignore[valid-type]  # pydantic makes a class of it
        period=AnalyticsPeriod(start=period.start, end=period.end),
        watermark=watermark,
        complete=is_complete(watermark, period),
        rows=list(rows),
        next=following,
    )
    return Response(answer.model_dump_json(by_alias=True), media_type=JSON)


def csv_answer(
    model: type[AnyRow],
    period: Window,
    watermark: datetime | None,
    rows: AsyncIterator[AnyRow],
    *,
    groups: Sequence[str] = (),
    leave_out: Sequence[str] = (),
    following: str | None = None,
) -> Response:
    """The rows under a line of names, streamed as they come.

    A field that is a mapping has a column for each of `groups`; one that is a body itself one for each of its fields.
    Fields in `leave_out` have none.
    """
    columns = csv_columns(model, groups, leave_out)
    headers = {
        "x-observatory-from": rfc3339(period.start),
        "x-observatory-to": rfc3339(period.end),
        "x-observatory-watermark": "" if watermark is None else rfc3339(watermark),
        "x-observatory-complete": str(is_complete(watermark, period)).lower(),
        "content-disposition": 'attachment; filename="analytics.csv"',
    }
    if following is not None:
        headers["x-observatory-next"] = following
    return StreamingResponse(_lines(columns, rows), media_type=CSV, headers=headers)


def is_complete(watermark: datetime | None, period: Window) -> bool:
    """Whether everything that was published within the period is in the answer."""
    return watermark is not None and watermark >= period.end


def csv_columns(model: type[Body], groups: Sequence[str], leave_out: Sequence[str]) -> list[tuple[str, ...]]:
    """The path of each column in a row."""
    found: list[tuple[str, ...]] = []
    for name, field in model.model_fields.items():
        if name in leave_out:
            continue
        kinds = _alternatives(field.annotation)
        nested = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
        if nested is not None:
            found += [(name, inner) for inner in nested.model_fields]
        elif any(get_origin(kind) is dict for kind in kinds):
            found += [(name, group) for group in groups]
        else:
            found.append((name,))
    return found


def _alternatives(annotation: object) -> tuple[object, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


async def one_by_one(rows: Iterable[T]) -> AsyncIterator[T]:
    """Rows that are there already, for `csv_answer`."""
    for row in rows:
        yield row


async def _lines(columns: Sequence[tuple[str, ...]], rows: AsyncIterator[AnyRow]) -> AsyncIterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(_heading(column) for column in columns)
    written = 0
    async for row in rows:
        known = row.model_dump(mode="json")
        writer.writerow(_cell(known, column) for column in columns)
        written += 1
        if written % _STREAMED == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _heading(column: tuple[str, ...]) -> str:
    """A group goes by its own name; the figures of a part are named after it."""
    return column[-1] if column[0] == "group" else "_".join(column)


def _cell(row: Mapping[str, object], column: tuple[str, ...]) -> str:
    value: object = row
    for name in column:
        value = value.get(name) if isinstance(value, Mapping) else None
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | dict):
        return orjson.dumps(value).decode()
    text = str(value)
    return "'" + text if isinstance(value, str) and text.startswith(_FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    return text.removeprefix("-").replace(".", "", 1).isdigit()


def _qualities(accept: str) -> dict[str, float]:
    """Media types and how much each is wanted, from 0 to 1."""
    found = {}
    for part in accept.split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        quality = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            found[media.lower()] = float(quality)
        except ValueError:
            found[media.lower()] = 0.0
    return found
