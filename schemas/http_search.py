"""Bodies of `/api/v1/search`."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from schemas.base import Body, Name, Time
from schemas.http import HttpBody

HitKind = Literal["model", "tenant", "user", "conversation", "call", "request", "trace"]


class SearchParameters(HttpBody):
    """What is looked for."""

    q: Annotated[
        Name,
        Field(
            description="A name or an id, or how it begins; of tenants and models any part, of ids from 4 digits on."
        ),
    ]
    limit: Annotated[int, Field(ge=1, le=20, description="How many of each kind at most.")] = 5


class SearchHit(Body):
    """Something of that name or id.

    `tenant_id` is whose it is, null for models and for traces of the platform itself; `at` is when it began, of users
    and conversations when they were last active; `about` is a call's model, a request's state. `call_id`: the last
    attempt of a request.
    """

    kind: HitKind
    id: str
    tenant_id: str | None
    at: Time | None
    about: str | None
    call_id: UUID | None


class SearchAnswer(Body):
    """What was found, by kind: an exact name first, then in the order of names."""

    q: str
    hits: list[SearchHit]
