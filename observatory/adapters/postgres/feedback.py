"""Where feedback belongs: how the requests that it is about are keyed on their topics."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from uuid import UUID

from observatory.adapters.postgres.pool import Pool
from observatory.adapters.postgres.queries import load_queries

_SQL = load_queries("observatory.adapters.postgres", "feedback.sql")

RequestName = tuple[str, UUID]
"""Tenant and request."""


class Keyed(NamedTuple):
    """What the records of a request are keyed by, and its conversation."""

    record_key: str
    conversation_id: str | None


async def record_keys(pool: Pool, requests: Iterable[RequestName]) -> Mapping[RequestName, Keyed]:
    """Of those requests that the journal knows. Raises one of `pool.TRANSIENT` when the database is away."""
    names = sorted(set(requests))
    tenants, ids = [tenant for tenant, _ in names], [request_id for _, request_id in names]
    rows = await pool.fetch(_SQL["record_keys"], tenants, ids)
    # The database's client has a UUID of its own.
    return {
        (row["tenant_id"], UUID(int=row["request_id"].int)): Keyed(row["record_key"], row["conversation_id"])
        for row in rows
    }
