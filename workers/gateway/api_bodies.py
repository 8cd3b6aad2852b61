"""How the endpoints under `/api` read what they are given: bodies by their schema, cursors, and who asks."""

import base64
import binascii
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, TypeVar

from fastapi import Depends, Request
from pydantic import ValidationError

from observatory.rules.periods import YEARS
from schemas.http import HttpBody
from workers.gateway.access import Access, KeyRing
from workers.gateway.bodies import Headers, field_path, parse_object, read_body
from workers.gateway.refusals import Refusal, invalid

B = TypeVar("B", bound=HttpBody)


def headers_of(request: Request) -> Headers:
    """The request's headers by lower-case name."""
    return dict(request.scope["headers"])


async def _access(request: Request) -> Access:
    keys: KeyRing = request.app.state.keys
    return await keys.admit(headers_of(request))


Asker = Annotated[Access, Depends(_access)]
"""Who asks; 401 without a valid key."""


def body_of(model: type[B]) -> Callable[[Request, Access], Awaitable[B]]:
    """A dependency that reads the body: 400, 413 or 415 for what is no JSON, 422 for what does not fit the schema."""

    async def read(request: Request, _: Asker) -> B:
        headers = headers_of(request)
        body = await read_body(headers, request.receive)
        parse_object(headers, body)
        try:
            return model.model_validate_json(body)
        except ValidationError as error:
            raise _does_not_fit(error) from error

    return read


def described(model: type[HttpBody]) -> dict[str, object]:
    """The request body's entry in the OpenAPI document."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _does_not_fit(error: ValidationError) -> Refusal:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    errors = [{"pointer": _pointer(p["loc"]), "detail": p["msg"]} for p in problems[:50]]
    message = f"{errors[0]['pointer'] or 'body'}: {errors[0]['detail']}"
    return Refusal(422, "invalid_body", message, final=True, errors=errors)


def _pointer(loc: tuple[int | str, ...]) -> str:
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in field_path(loc))


def encode_cursor(*parts: str) -> str:
    """An opaque text that leads to the next page."""
    return base64.urlsafe_b64encode("\x1f".join(parts).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, count: int) -> list[str]:
    """What `encode_cursor` was given. Raises `Refusal` 400 for anything else."""
    try:
        parts = (
            base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode().split("\x1f")
        )
    except (binascii.Error, ValueError) as error:
        raise _bad_cursor() from error
    if len(parts) != count:
        raise _bad_cursor()
    return parts


def time_in(text: str) -> datetime:
    """A time in a cursor. Raises `Refusal` 400."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise _bad_cursor() from error
    if moment.tzinfo is None or moment.year not in YEARS:
        raise _bad_cursor()
    return moment


def number_in(text: str) -> int:
    """A number in a cursor. Raises `Refusal` 400."""
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise _bad_cursor()
    return int(text)


def _bad_cursor() -> Refusal:
    return invalid("the cursor is not one that a page of this list gave", "cursor")
