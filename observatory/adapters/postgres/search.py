"""What has a name or an id, or begins with it: models, tenants, users, conversations, calls, requests, traces."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from observatory.adapters.postgres.pool import Connection
from observatory.adapters.postgres.queries import load_queries
from observatory.rules.instants import at_us
from schemas.http_search import HitKind

_SQL = load_queries("observatory.adapters.postgres", "search.sql")

_ID = re.compile(r"[0-9a-f]{4,32}")
"""How an id must begin to be looked for: fewer digits are those of too many."""

_LAST = "\U0010ffff"
_DIGITS = 32

MOST_TENANTS = 1_000
"""Whose users, conversations and requests are looked for, by name; one that is named exactly comes first."""

PARTITIONS = 16
"""A user has a row in each: so many more are read than shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Something that was found: see `schemas.http_search.SearchHit`."""

    kind: HitKind
    id: str
    tenant_id: str | None = None
    at: datetime | None = None
    about: str | None = None
    call_id: UUID | None = None


async def search(connection: Connection, text: str, tenant: str | None, limit: int) -> list[Hit]:
    """At most `limit` of each kind, of one tenant or (None) of all."""
    called = await connection.fetch(_SQL["called"], tenant)
    everybody = sorted({row["tenant_id"] for row in called})
    tenants = sorted(everybody, key=lambda name: name != text)[:MOST_TENANTS] if tenant is None else [tenant]
    found = [
        *_parts("model", {row["model"] for row in called}, text, limit),
        *(_parts("tenant", everybody, text, limit) if tenant is None else ()),
        *await _named(connection, "user", "users", tenants, text, limit),
        *await _named(connection, "conversation", "conversations", tenants, text, limit),
    ]
    digits = text.lower().replace("-", "")
    if _ID.fullmatch(digits):
        found += await _identified(connection, digits, tenant, tenants, limit)
    return found


def _parts(kind: HitKind, names: Iterable[str], text: str, limit: int) -> Iterator[Hit]:
    """Names with the text in them: that name first, then those that begin with it."""
    wanted = text.lower()
    matching = [name for name in names if wanted in name.lower()]
    order = sorted(matching, key=lambda name: (name != text, not name.lower().startswith(wanted), name))
    return (Hit(kind=kind, id=name, tenant_id=name if kind == "tenant" else None) for name in order[:limit])


async def _named(
    connection: Connection, kind: HitKind, query: str, tenants: Sequence[str], text: str, limit: int
) -> list[Hit]:
    """Those of that name, then those that begin with it."""
    found: dict[tuple[str, str], int] = {}
    for last in (text, text + _LAST):
        for row in await connection.fetch(_SQL[query], tenants, text, last, limit * PARTITIONS):
            name = row["tenant_id"], row["id"]
            found[name] = max(row["last_us"], found.get(name, 0))
    return [Hit(kind=kind, id=name, tenant_id=owner, at=at_us(last_us)) for (owner, name), last_us in found.items()][
        :limit
    ]


async def _identified(
    connection: Connection, digits: str, tenant: str | None, tenants: Sequence[str], limit: int
) -> list[Hit]:
    """Calls, requests and traces whose id begins with these digits."""
    first, last = (UUID(digits.ljust(_DIGITS, filler)) for filler in "0f")
    calls = await connection.fetch(_SQL["calls"], tenant, first, last, limit)
    requests = await connection.fetch(_SQL["requests"], tenants, first, last, limit)
    traces = await connection.fetch(_SQL["traces"], tenant, first.hex, last.hex, limit)
    return [
        *(Hit(**{**row, "kind": "call", "id": str(row["id"])}) for row in calls),
        *(
            Hit(**{**row, "kind": "request", "id": str(row["id"]), "call_id": _uuid(row["call_id"])})
            for row in requests
        ),
        *(
            Hit(kind="trace", id=row["id"], tenant_id=row["tenant_id"] or None, at=at_us(row["start_us"]))
            for row in traces
        ),
    ]


def _uuid(stored: UUID | None) -> UUID | None:
    """The database's client has a UUID of its own."""
    return None if stored is None else UUID(int=stored.int)
