"""One conversation turn by turn, as the ledger knows its calls: a turn is a request with all its attempts."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from uuid import UUID

from observatory.adapters.postgres.calls import StoredCall, call_of
from observatory.adapters.postgres.pool import Connection
from observatory.adapters.postgres.queries import load_queries

_SQL = load_queries("observatory.adapters.postgres", "turns.sql")
_COLUMNS = load_queries("observatory.adapters.postgres", "calls.sql")["columns"]

Span = tuple[datetime, datetime]
"""When the first and the last call of a conversation began."""

Place = tuple[datetime, UUID]
"""Where a turn stands: when its first call began, and its request."""


@dataclass(frozen=True, slots=True)
class ConversationSums:
    """What the calls of a conversation add up to, those that were sent. `cost_usd` lacks the unpriced ones."""

    turns: int
    calls: int
    errors: int
    unpriced_calls: int
    tokens: int
    first_activity: datetime
    last_activity: datetime
    cost_usd: Decimal
    estimated_cost_usd: Decimal


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """A request with its calls, by attempt. `cost_usd` lacks the unpriced ones."""

    place: Place
    cost_usd: Decimal
    unpriced_calls: int
    calls: list[StoredCall]


async def read_conversation(
    connection: Connection, conversation: str, tenant: str | None
) -> tuple[ConversationSums, Span] | None:
    """The whole of it; None when there is no such call. `tenant`: whose, None for any."""
    row = await connection.fetchrow(_SQL["conversation"], conversation, tenant)
    if row is None or row["first_activity"] is None:
        return None
    *sums, first_at, last_at = row
    return ConversationSums(*sums), (first_at, last_at)


async def read_turns(
    connection: Connection, conversation: str, tenant: str | None, span: Span, after: Place | None, limit: int
) -> list[StoredTurn]:
    """The earliest first, after the place given; calls that began within the span alone."""
    rows = await connection.fetch(
        _SQL["turns"].format(columns=_COLUMNS), conversation, tenant, *(after or (None, None)), limit, *span
    )
    turns = groupby(rows, key=lambda row: (row["began"], row["request_id"], row["turn_usd"], row["turn_unpriced"]))
    return [
        StoredTurn((began, request_id), usd, unpriced, [call_of(row) for row in calls])
        for (began, request_id, usd, unpriced), calls in turns
    ]
