"""Writes what is found out about attempts after they ended, and publishes it.

A revision is written before it is published; if this process dies in between, the chat workers' sweeper publishes it.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

from asyncpg import Record

from observatory.adapters.kafka import Publisher
from observatory.adapters.postgres.journal import Journal
from observatory.adapters.postgres.pool import Pool
from observatory.adapters.postgres.queries import load_queries
from observatory.rules.attempts import published_record
from schemas.calls import CostState, LlmCallRecorded
from schemas.envelope import event_id
from schemas.topics import LLM_CALLS

_SQL = load_queries("observatory.adapters.postgres", "revisions.sql")


class NewRevision(NamedTuple):
    """An attempt as it will be, if it still is at `revision`; cost in US dollars, None: no price. `record` is JSON."""

    call_id: UUID
    revision: int
    status: str
    cost_usd: Decimal | None
    cost_state: CostState
    record: str


async def revise(pool: Pool, publisher: Publisher, revisions: Iterable[NewRevision]) -> set[UUID]:
    """Writes, publishes and marks as published; returns the calls that were not changed by others meanwhile.

    Raises what asyncpg and Kafka's client raise when they are away.
    """
    # Sorted, so that two writers never wait for each other in a circle.
    ordered = sorted(revisions, key=attrgetter("call_id"))
    if not ordered:
        return set()
    rows = await pool.fetch(_SQL["revise"], *(list(column) for column in zip(*ordered, strict=True)))
    await _publish(pool, publisher, rows)
    return {row["call_id"] for row in rows}


async def _publish(pool: Pool, publisher: Publisher, rows: Sequence[Record]) -> None:
    sent = []
    for row in rows:
        body = published_record(row["record"], row["revision"], row["started_at"])
        ce_id = event_id(row["call_id"], LlmCallRecorded.ce_type, row["revision"])
        sent.append(
            await publisher.publish_bytes(
                LLM_CALLS, row["record_key"], LlmCallRecorded, body, ce_id, row["traceparent"]
            )
        )
    for future in sent:
        await future
    await Journal(pool, pool).mark_calls_published([(row["call_id"], row["revision"]) for row in rows])
