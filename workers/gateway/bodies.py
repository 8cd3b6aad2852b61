"""Reads a request's body: at most so many bytes, then JSON that every reader of the topic can read too."""

from collections.abc import Mapping, Sequence

import orjson
from starlette.types import Receive

from observatory.rules.limits import MAX_BODY_BYTES
from workers.gateway.refusals import Refusal, invalid, too_large

Headers = Mapping[bytes, bytes]
JsonDict = dict[str, object]


class ClientLeft(Exception):
    """The client closed the connection before it had sent everything."""


async def read_body(headers: Headers, receive: Receive) -> bytes:
    """The whole body. Raises `Refusal` 413 as soon as it is too long, `ClientLeft`."""
    announced = headers.get(b"content-length", b"0")
    if announced.isdigit() and int(announced) > MAX_BODY_BYTES:
        raise too_large(MAX_BODY_BYTES)
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body") and message["type"] == "http.request":
        return _checked(body)
    parts = bytearray(body)
    while message["type"] == "http.request" and message.get("more_body"):
        message = await receive()
        parts += message.get("body", b"")
        if len(parts) > MAX_BODY_BYTES:
            raise too_large(MAX_BODY_BYTES)
    if message["type"] != "http.request":
        raise ClientLeft
    return _checked(bytes(parts))


def _checked(body: bytes) -> bytes:
    if len(body) > MAX_BODY_BYTES:
        raise too_large(MAX_BODY_BYTES)
    return body


def field_path(loc: Sequence[int | str]) -> list[int | str]:
    """Where a validation error stands in the body: without the names that pydantic gives to a union's members."""
    return [part for part in loc if isinstance(part, int) or (part != "str" and "[" not in part)]


def parse_object(headers: Headers, body: bytes) -> JsonDict:
    """A JSON object. Raises `Refusal` 415 for another content type, 400 for anything that is not strictly JSON."""
    content_type = headers.get(b"content-type", b"application/json").partition(b";")[0].strip().lower()
    if content_type != b"application/json" and not content_type.endswith(b"+json"):
        message = "the body must be JSON: send 'content-type: application/json'"
        raise Refusal(415, "unsupported_media_type", message, final=True)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise invalid(f"the body is not valid JSON: {error}" if body else "the body is empty; send JSON") from error
    if not isinstance(value, dict):
        raise invalid("the body must be a JSON object")
    return value
