"""OpenAI's chat completion request, and our headers beside it, as a `chat.requested`.

Every field that the platform does not use itself is passed through to the provider in `parameters`. What is published
has been read with the schema that its readers use.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID, uuid4, uuid5

import orjson
from pydantic import ValidationError

from observatory.rules.limits import MAX_BODY_BYTES, MAX_KEY_LENGTH, OutOfLimits, check_request
from schemas.chat import ChatRequested
from workers.gateway.access import Access
from workers.gateway.bodies import Headers, JsonDict, field_path
from workers.gateway.intake import Ask
from workers.gateway.refusals import Refusal, invalid, too_large
from workers.gateway.tracing import RequestSpan

KEY_NAMESPACE = UUID("2f1d6c1e-6d4b-5b36-9f0b-6c3f0a0c9b77")
"""An `Idempotency-Key` that is no UUID names the request `uuid5(KEY_NAMESPACE, key)`."""

_SAME_NAME = ("model", "messages", "stream", "temperature", "tools", "tool_choice", "response_format")
_LENGTHS = ("max_completion_tokens", "max_tokens")
_OURS = frozenset((*_SAME_NAME, *_LENGTHS, "user", "n", "stream_options"))
_HEADERS = {
    "user_id": b"x-observatory-user",
    "conversation_id": b"x-observatory-conversation",
    "provider": b"x-observatory-provider",
}
_SHOWN_NAME = {"max_output_tokens": "max_tokens", "user_id": "user", "tags": "x-observatory-tags"} | {
    field: header.decode() for field, header in _HEADERS.items() if field != "user_id"
}


@dataclass(frozen=True, slots=True)
class Completion:
    """A chat completion that is asked for; `include_usage`: a last chunk of a stream tells the usage."""

    ask: Ask
    stream: bool
    include_usage: bool


def read_completion(headers: Headers, fields: JsonDict, access: Access, span: RequestSpan) -> Completion:
    """The request that the body states, asked within `span`.

    Raises `Refusal` 400 for what OpenAI would refuse, and 413 when the record would be too long.
    """
    fields = {name: value for name, value in fields.items() if value is not None}
    if fields.get("n", 1) != 1 or isinstance(fields.get("n"), bool):
        raise invalid("n must be 1: one request has one answer", "n")
    include_usage = _include_usage(fields)
    request_id, named = request_id_of(headers)
    event = _event(headers, fields, access)
    event["request_id"] = str(request_id)
    ask = ask_of(event, named, span)
    return Completion(ask, ask.request.stream, include_usage)


def ask_of(event: Mapping[str, object], named: bool, span: RequestSpan) -> Ask:
    """Writes the event down and reads it as its readers will. Raises `Refusal` 400 and 413."""
    try:
        body = orjson.dumps(event)
    except orjson.JSONEncodeError as error:
        raise invalid(f"the body is nested too deeply: {error}") from error
    if len(body) > MAX_BODY_BYTES:
        raise too_large(MAX_BODY_BYTES)
    try:
        request = ChatRequested.model_validate_json(body)
        check_request(request)
    except ValidationError as error:
        raise _refusal_of(error) from error
    except OutOfLimits as error:
        raise invalid(str(error), error.param) from error
    span.asks(request)
    return Ask(request, str(request.request_id), body, named, span.traceparent)


def request_id_of(headers: Headers) -> tuple[UUID, bool]:
    """The request's id, and whether the client chose it. Raises `Refusal` 400 for an unusable key."""
    if b"idempotency-key" not in headers:
        return uuid4(), False
    key = _text(headers, b"idempotency-key")
    if not 1 <= len(key) <= MAX_KEY_LENGTH:
        raise invalid(f"an Idempotency-Key has 1 to {MAX_KEY_LENGTH} characters", "Idempotency-Key")
    try:
        return UUID(key), True
    except ValueError:
        return uuid5(KEY_NAMESPACE, key), True


def tags_of(text: str) -> dict[str, str]:
    """`k=v,k2=v2` as a mapping. Raises `Refusal` 400."""
    tags = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, equals, value = part.partition("=")
        if not (name.strip() and equals):
            raise invalid(f"not a tag (name=value): {part[:40]!r}", "x-observatory-tags")
        tags[name.strip()] = value.strip()
    return tags


def _event(headers: Headers, fields: JsonDict, access: Access) -> JsonDict:
    event: JsonDict = {name: fields[name] for name in _SAME_NAME if name in fields}
    event["tenant_id"] = access.tenant_id
    if access.api_key_id is not None:
        event["api_key_id"] = access.api_key_id
    for name in _LENGTHS:
        if name in fields:
            event["max_output_tokens"] = fields[name]
            break
    if fields.get("user"):
        event["user_id"] = fields["user"]
    for field, header in _HEADERS.items():
        if header in headers:
            event[field] = _text(headers, header)
    if b"x-observatory-tags" in headers:
        event["tags"] = tags_of(_text(headers, b"x-observatory-tags"))
    parameters = {name: value for name, value in fields.items() if name not in _OURS}
    if parameters:
        event["parameters"] = parameters
    return event


def _include_usage(fields: JsonDict) -> bool:
    options = fields.get("stream_options")
    if options is None:
        return False
    if not fields.get("stream"):
        raise invalid("stream_options can be given with stream=true only", "stream_options")
    include = options.get("include_usage", False) if isinstance(options, dict) else options
    if not isinstance(include, bool):
        raise invalid("stream_options is an object; include_usage is true or false", "stream_options")
    return include


def _text(headers: Headers, name: bytes) -> str:
    try:
        return headers[name].decode()
    except UnicodeDecodeError as error:
        raise invalid(f"the header {name.decode()} is not UTF-8", name.decode()) from error


def _refusal_of(error: ValidationError) -> Refusal:
    """The first fault, under the name that OpenAI gives the field."""
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path = ""
    for part in field_path(problem["loc"]):
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if path else _SHOWN_NAME.get(part, part)
    message = "the field is missing" if problem["type"] == "missing" else problem["msg"]
    return invalid(f"{path or 'body'}: {message}", path or None)
