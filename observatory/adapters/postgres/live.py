"""One-second windows as the stream workers keep them, and the cursors of the tasks that read them in order."""

from dataclasses import dataclass, fields
from decimal import Decimal

from asyncpg import Record

from observatory.adapters.postgres.pool import Database
from observatory.adapters.postgres.queries import load_queries

_SQL = load_queries("observatory.adapters.postgres", "live.sql")


@dataclass(frozen=True, slots=True)
class WindowCell:
    """What one partition took within a second of one tenant's calls to one model."""

    second: int
    part: int
    tenant_id: str
    provider: str
    model: str
    calls: int
    errors: int
    unpriced_calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal
    latency_ms_hist: list[int]
    ttft_ms_hist: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanSums:
    """What calls that ended in some seconds add up to; percentiles in ms, None without such calls."""

    calls: int
    errors: int
    unpriced_calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    latency_p99_ms: float | None
    ttft_p95_ms: float | None


async def sums_by_second(database: Database, begin: int, end: int, tenant: str | None) -> list[tuple[int, SpanSums]]:
    """Each second with calls from `begin` up to, not including, `end`, in order; of one tenant, or of all (None)."""
    statement = _SQL["seconds"].format(second="second", grouping="GROUP BY second ORDER BY second")
    return [(row["second"], _sums(row)) for row in await database.fetch(statement, begin, end, tenant)]


async def sums_of(database: Database, begin: int, end: int, tenant: str | None) -> SpanSums:
    """All of these seconds together."""
    statement = _SQL["seconds"].format(second="NULL::bigint", grouping="")
    (row,) = await database.fetch(statement, begin, end, tenant)
    return _sums(row)


async def window_cells(database: Database, begin: int, end: int) -> list[WindowCell]:
    """The cells of the seconds from `begin` up to, not including, `end`; by second, tenant, provider and model."""
    return [WindowCell(*row) for row in await database.fetch(_SQL["cells"], begin, end)]


async def closed_until(database: Database) -> int | None:
    """The second before which all windows are complete; None while a partition was never read."""
    second: int | None = await database.fetchval(_SQL["closed_until"])
    return second


async def read_cursor(database: Database, name: str, begin: int) -> int:
    """Where a task stands; a new one begins at `begin`."""
    await database.execute(_SQL["begin_cursor"], name, begin)
    return int(await database.fetchval(_SQL["cursor"], name))


async def move_cursor(database: Database, name: str, expected: int, position: int) -> bool:
    """Moves a task on; False when another process has moved it."""
    status: str = await database.execute(_SQL["move_cursor"], name, expected, position)
    return status.endswith(" 1")


def _sums(row: Record) -> SpanSums:
    return SpanSums(**{each.name: row[each.name] for each in fields(SpanSums)})


async def in_flight(database: Database) -> dict[str, int]:
    """Calls under way now, by tenant."""
    return {row["tenant_id"]: row["calls"] for row in await database.fetch(_SQL["in_flight"])}
