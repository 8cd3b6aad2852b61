"""Feedback: where it belongs, by how the requests that it is about are keyed; and how it stands, for people."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import msgspec

from observatory.adapters.postgres.pool import Pool
from observatory.adapters.postgres.queries import load_queries
from observatory.rules.feedback import Feedback

_SQL = load_queries("observatory.adapters.postgres", "feedback.sql")

RequestName = tuple[str, UUID]
"""Tenant and request."""


_decode = msgspec.json.Decoder(Feedback).decode


class FeedbackPlace(NamedTuple):
    """Where feedback stands in a list."""

    given_us: int
    key: str
    part: int


@dataclass(frozen=True, kw_only=True)
class FeedbackQuery:
    """Which feedback, by when it was given, in microseconds since 1970; empty or None: any."""

    start_us: int
    end_us: int
    tenants: Sequence[str] = ()
    request: str | None = None
    conversations: Sequence[str] = ()
    users: Sequence[str] = ()
    kind: str | None = None
    name: str | None = None
    most_millionths: int | None = None
    commented: bool | None = None


class Standing(NamedTuple):
    """Feedback as it stands; `attached`: a call of its request, else conversation, is known."""

    place: FeedbackPlace
    given: Feedback
    attached: bool


class Keyed(NamedTuple):
    """What the records of a request are keyed by, and its conversation."""

    record_key: str
    conversation_id: str | None


async def record_keys(pool: Pool, requests: Iterable[RequestName]) -> Mapping[RequestName, Keyed]:
    """Of requests that the journal or a call tells of. Raises one of `pool.TRANSIENT` when the database is away."""
    names = sorted(set(requests))
    tenants, ids = [tenant for tenant, _ in names], [request_id for _, request_id in names]
    rows = await pool.fetch(_SQL["record_keys"], tenants, ids)
    # The database's client has a UUID of its own.
    return {
        (row["tenant_id"], UUID(int=row["request_id"].int)): Keyed(row["record_key"], row["conversation_id"])
        for row in rows
    }


async def read_feedback(pool: Pool, query: FeedbackQuery, after: FeedbackPlace | None, limit: int) -> list[Standing]:
    """Latest first, after the place given."""
    rows = await pool.fetch(
        _SQL["page"], query.start_us, query.end_us, query.tenants, query.request, query.conversations, query.kind,
        query.name, query.most_millionths, query.commented, *(after or (None, None, None)), limit, query.users,
    )  # fmt: skip
    found = [(row, _decode(row["state"])) for row in rows]
    return [Standing(FeedbackPlace(one.given_us, row["key"], row["part"]), one, row["attached"]) for row, one in found]
