"""The tables of adjustments: those that were decided (`journal`), those that the ledger applied, and closed months."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from asyncpg import Record

from observatory.adapters.postgres.pool import Connection, Pool
from observatory.adapters.postgres.queries import load_queries

_SQL = load_queries("observatory.adapters.postgres", "adjustments.sql")


class Adjustment(NamedTuple):
    """One row of `ledger.adjustments`. `amount_usd` in US dollars; `booked_month` is the first day of a month."""

    adjustment_id: UUID
    tenant_id: str
    provider: str
    model: str
    day: date
    booked_month: date
    amount_usd: Decimal
    reason: str
    export_id: str
    adjusted_at: datetime
    topic_partition: int
    topic_offset: int


class Decided(NamedTuple):
    """One row of `journal.adjustments`, as it is inserted."""

    adjustment_id: UUID
    tenant_id: str
    provider: str
    model: str
    day: date
    booked_month: date
    amount_usd: Decimal
    reason: str
    export_id: str


class Booked(NamedTuple):
    """What was adjusted so far for a model and day: the sum in US dollars, and how often from one export."""

    model: str
    day: date
    amount_usd: Decimal
    from_export: int


async def apply_adjustments(connection: Connection, adjustments: Sequence[Adjustment]) -> None:
    """Writes those that the ledger does not have yet, in order of id: two writers never wait for each other in turn."""
    await connection.execute(_SQL["apply"], *map(list, zip(*sorted(adjustments), strict=True)))


async def lock_booking(connection: Connection) -> None:
    """Until this transaction ends nobody else books an adjustment or closes a month."""
    await connection.execute(_SQL["lock_booking"])


async def booked(connection: Connection, provider: str, days: Sequence[date], export_id: str) -> list[Booked]:
    """What was adjusted so far on these days, by model and day."""
    rows = await connection.fetch(_SQL["booked"], provider, days, export_id)
    return [Booked(*row) for row in rows]


async def decide(connection: Connection, adjustments: Sequence[Decided]) -> None:
    """Inserts adjustments, to be published. Raises `UniqueViolationError` for one that is there."""
    await connection.execute(_SQL["decide"], *map(list, zip(*adjustments, strict=True)))


async def unpublished(pool: Pool) -> list[Record]:
    """The adjustments that the broker may not have yet, oldest first."""
    return await pool.fetch(_SQL["unpublished"])


async def mark_published(pool: Pool, ids: Iterable[UUID]) -> None:
    """Notes that the broker has them."""
    await pool.execute(_SQL["mark_published"], list(ids))


async def last_closed_month(connection: Connection) -> date | None:
    """The newest closed month; all before it are closed too."""
    month: date | None = await connection.fetchval(_SQL["last_closed_month"])
    return month


async def closed_months(pool: Pool) -> list[Record]:
    """Each closing: `month`, `closed_at`, `closed_by`, oldest month first."""
    return await pool.fetch(_SQL["closed_months"])


async def close_month(connection: Connection, month: date, closed_by: str) -> bool:
    """Closes a month; False when it was closed already."""
    return bool(await connection.fetchval(_SQL["close_month"], month, closed_by))
