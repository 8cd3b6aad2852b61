"""Chat requests out of what a user wrote: command line arguments or JSON lines. Pure but for new request ids."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import uuid4

import orjson
from pydantic import ValidationError

from observatory.adapters.kafka import explain
from schemas.chat import ChatRequested


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no chat request: its number (from 1) and why."""

    line: int
    error: str


def read_lines(lines: Iterable[bytes], *, copies: int = 1) -> Iterator[ChatRequested | BadLine]:
    """A request, or what is wrong, for each line that is not blank; each request `copies` times under new ids."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                fields = _fields(line)
                yield from requests_from(fields, copies=copies)
            except ValueError as error:
                yield BadLine(number, explain(error) if isinstance(error, ValidationError) else str(error))


def requests_from(fields: dict[str, object], *, copies: int = 1) -> Iterator[ChatRequested]:
    """The requests that these fields describe; `request_id` is filled in where absent. Raises `ValueError`."""
    unknown = sorted(fields.keys() - ChatRequested.model_fields.keys())
    if unknown:
        raise ValueError(f"no such field: {', '.join(unknown)}")
    if copies > 1 and "request_id" in fields:
        raise ValueError("a request with its own request_id cannot be sent several times (--count)")
    for _ in range(copies):
        yield ChatRequested.model_validate_json(orjson.dumps({"request_id": str(uuid4()), **fields}))


def _fields(line: bytes) -> dict[str, object]:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError("a request is a JSON object")
    return value
