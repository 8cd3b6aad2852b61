"""How questions to `/api/v1/analytics` are read: parameters by their schema, the period, and cursors that hold it fast.

A parameter that is not known, comes twice where one is meant, or makes no sense is refused with 422, which names it.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import orjson
from fastapi import Request
from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import QueryParams

from observatory.rules.periods import BadPeriod, Window, window
from schemas.base import rfc3339
from schemas.http import HttpBody
from schemas.http_analytics import PeriodParameters
from workers.gateway.access import Access
from workers.gateway.api_bodies import decode_cursor, encode_cursor, time_in
from workers.gateway.refusals import Refusal, invalid

P = TypeVar("P", bound=HttpBody)

Scalar = str | int | None
Position = Sequence[Scalar]
"""Where a row stands in the order of its list, as JSON scalars."""

_TAG = "tag:"
_HOLDERS = frozenset({"cursor", "limit", "format"})
"""Parameters that choose a page or its form, not what is asked."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The period of a question and, on a further page, the position after which it begins."""

    period: Window
    fingerprint: str
    after: Position | None = None

    def next(self, *position: Scalar) -> str:
        """The cursor of the page after the row at this position."""
        period = (rfc3339(self.period.start), rfc3339(self.period.end))
        return encode_cursor(self.fingerprint, *period, orjson.dumps(position).decode())


def parameters_of(model: type[P]) -> Callable[[Request], P]:
    """A dependency that reads the query as this model. A field `tags` takes every `tag:<key>`."""
    lists = {name for name, field in _fields(model).items() if field.get("type") == "array"}
    tags = "tags" in model.model_fields

    def read(request: Request) -> P:
        query, values = request.query_params, dict[str, object]()
        tagged: dict[str, list[str]] = {}
        for name in query.keys():  # noqa: SIM118  # iterating the query itself gives names once for each value
            given = query.getlist(name)
            if tags and name.startswith(_TAG):
                tagged[name.removeprefix(_TAG)] = given
            elif len(given) > 1 and name not in lists:
                raise unfit(name, "is given more than once")
            else:
                values[name] = given if name in lists else given[0]
        try:
            return model.model_validate(values | ({"tags": tagged} if tagged else {}), strict=False)
        except ValidationError as error:
            raise _does_not_fit(error) from error

    return read


def described_query(model: type[HttpBody]) -> dict[str, object]:
    """The parameters' entries in the OpenAPI document."""
    return {
        "parameters": [
            {
                "name": "tag:{key}" if name == "tags" else name,
                "in": "query",
                "required": False,
                "description": field.get("description", ""),
                "schema": {part: value for part, value in field.items() if part not in ("description", "title")},
            }
            for name, field in _fields(model).items()
        ]
    }


def asked(request: Request, parameters: PeriodParameters, access: Access) -> Asked:
    """The period of the question, of a further page that of the first. Raises `Refusal` 422, for a cursor 400."""
    fingerprint = _fingerprint(request.query_params, access)
    if parameters.cursor is None:
        return Asked(period_of(parameters, datetime.now(UTC)), fingerprint)
    theirs, start, end, position = decode_cursor(parameters.cursor, 4)
    if theirs != fingerprint:
        raise invalid("the cursor belongs to another question: repeat all its parameters", "cursor")
    try:
        period = window(datetime.now(UTC), start=time_in(start), end=time_in(end), last=None)
    except BadPeriod as error:
        raise invalid("the cursor is not one that a page of this list gave", "cursor") from error
    return Asked(period, fingerprint, _position(position))


def in_one_page(question: Asked, parameters: PeriodParameters) -> Asked:
    """A question that is answered in one page. Raises `Refusal` 422 when another is asked for."""
    for name in ("cursor", "limit"):
        if getattr(parameters, name) is not None:
            raise unfit(name, "this is answered in one page")
    return question


def period_of(parameters: PeriodParameters, now: datetime) -> Window:
    """The period, in whole minutes. Raises `Refusal` 422."""
    try:
        return window(now, start=parameters.start, end=parameters.end, last=parameters.last)
    except BadPeriod as error:
        raise unfit(error.parameter, str(error)) from error


def unfit(parameter: str, detail: str) -> Refusal:
    """422: a parameter makes no sense."""
    errors = [{"parameter": parameter, "detail": detail}]
    return Refusal(422, "invalid_parameter", f"{parameter}: {detail}", final=True, errors=errors)


def tenant_of(access: Access, wanted: Sequence[str]) -> list[str]:
    """The tenants that are asked about; none: all. A key sees its own, and any other is refused with 403."""
    if access.api_key_id is None:
        return list(wanted)
    if any(tenant != access.tenant_id for tenant in wanted):
        raise Refusal(403, "forbidden", f"this key is of the tenant {access.tenant_id!r} and sees no other", final=True)
    return [access.tenant_id]


def only_tenant(access: Access, wanted: str | None) -> str | None:
    """The one tenant that is asked about; None: all. As `tenant_of`."""
    tenants = tenant_of(access, [] if wanted is None else [wanted])
    return tenants[0] if tenants else None


def _position(text: str) -> Position:
    try:
        position = orjson.loads(text)
    except orjson.JSONDecodeError:
        position = None
    if not isinstance(position, list):
        raise invalid("the cursor is not one that a page of this list gave", "cursor")
    return position


def _fingerprint(query: QueryParams, access: Access) -> str:
    question = sorted((name, value) for name, value in query.multi_items() if name not in _HOLDERS)
    return hashlib.sha256(repr((question, access.tenant_id)).encode()).hexdigest()[:16]


def _fields(model: type[HttpBody]) -> dict[str, dict[str, object]]:
    """The JSON schema of each parameter, by its name in the query."""
    schema = TypeAdapter(model).json_schema(by_alias=True)
    found = {}
    for name, field in schema["properties"].items():
        kinds = [kind for kind in field.pop("anyOf", []) if kind.get("type") != "null"]
        found[name] = {**field, **(kinds[0] if kinds else {})}
    return found


def _does_not_fit(error: ValidationError) -> Refusal:
    problems = error.errors(include_url=False, include_context=False, include_input=False)[:20]
    errors = [{"parameter": _name(problem["loc"]), "detail": problem["msg"]} for problem in problems]
    message = "; ".join(f"{each['parameter']}: {each['detail']}" for each in errors)
    return Refusal(422, "invalid_parameter", message, final=True, errors=errors)


def _name(loc: tuple[int | str, ...]) -> str:
    if loc and loc[0] == "tags":
        return _TAG + ".".join(map(str, loc[1:2]))
    return str(loc[0]) if loc else "query"
