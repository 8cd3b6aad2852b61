"""How the whole pipeline stands: what waits to be published, what is not settled, which alerts and budgets stand."""

from collections.abc import Sequence
from dataclasses import dataclass

from observatory.adapters.postgres.alerts import LOWER
from observatory.adapters.postgres.freshness import Reached, read_freshness
from observatory.adapters.postgres.pool import Connection, Database
from observatory.adapters.postgres.queries import load_queries
from schemas.alerts import Severity

_SQL = load_queries("observatory.adapters.postgres", "pipeline.sql")


@dataclass(frozen=True, slots=True)
class Outbox:
    """Rows of one kind (`calls`, `outcomes`, `alerts`, `adjustments`) that the broker has not acknowledged."""

    what: str
    waiting: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How many alerts of a kind and severity are raised and not resolved, and what the latest says."""

    kind: str
    severity: Severity
    alerts: int
    latest: str


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """The used share of a budget in its period, what is held included; above 1 it is exceeded."""

    tenant_id: str
    budget_id: str
    hard: bool
    used_ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """All of it, at one moment."""

    outbox: Sequence[Outbox]
    unknown_calls: int
    alerts: Sequence[Standing]
    budgets: Sequence[BudgetUse]
    reached: Sequence[Reached]
    database_bytes: int


async def read_standing(database: Database, tenant_id: str | None, *, fold: bool) -> list[Standing]:
    """How many alerts stand, of one tenant or of all; `fold`: the thresholds of a budget that were reached are one."""
    sql = _SQL["standing_alerts"].format(lower=LOWER)
    return [Standing(*row) for row in await database.fetch(sql, tenant_id, fold)]


async def read_outbox(connection: Connection) -> list[Outbox]:
    """What waits to be published, by kind."""
    return [Outbox(*row) for row in await connection.fetch(_SQL["outbox"])]


async def read_pipeline(connection: Connection, most_budgets: int) -> Pipeline:
    """Asks for it; of budgets the `most_budgets` of which most is used."""
    _, reached = await read_freshness(connection)
    return Pipeline(
        outbox=await read_outbox(connection),
        unknown_calls=await connection.fetchval(_SQL["unknown_calls"]),
        alerts=await read_standing(connection, None, fold=False),
        budgets=[BudgetUse(*row) for row in await connection.fetch(_SQL["budgets"], most_budgets)],
        reached=reached,
        database_bytes=await connection.fetchval(_SQL["database_bytes"]),
    )
