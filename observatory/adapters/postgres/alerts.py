"""The table of alerts: written by whoever watches, published from its rows, read by people."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson
from asyncpg import Record

from observatory.adapters.postgres.pool import Connection, Pool
from observatory.adapters.postgres.queries import load_queries
from observatory.rules.alerts import KINDS, Alert, Unpriced

_SQL = load_queries("observatory.adapters.postgres", "alerts.sql")

LOWER = _SQL["lower"]
"""In SQL: alert `l` is a lower threshold of the budget and period of alert `a`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAlert:
    """An alert as it stands now, or stood in the end; `resolved_at` is None while it stands."""

    alert_id: UUID
    kind: str
    severity: str
    tenant_id: str
    subject: str
    message: str
    details: dict[str, object]
    raised_at: datetime
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A lower threshold of the same budget and period, as a share of the limit in decimal text."""

    alert_id: UUID
    severity: str
    message: str
    threshold: str
    raised_at: datetime


class Alerts:
    """Alerts for people."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(
        self,
        tenant_id: str | None,
        *,
        standing: bool | None,
        kind: str | None,
        since: datetime | None,
        after: tuple[datetime, UUID] | None,
        limit: int,
        fold: bool = False,
    ) -> list[StoredAlert]:
        """Newest first, after the (`raised_at`, `alert_id`) given; None: resolved ones too, any kind.

        `fold`: of the thresholds of one budget and period the highest alone; `folded` tells the others.
        """
        sql = _SQL["page"].format(lower=LOWER)
        rows = await self._pool.fetch(sql, tenant_id, standing, since, *(after or (None, None)), limit, kind, fold)
        return [_stored(row) for row in rows]

    async def folded(self, alerts: Iterable[StoredAlert]) -> Mapping[UUID, Sequence[Folded]]:
        """What is folded into each of them, the highest threshold first."""
        found: dict[UUID, list[Folded]] = {alert.alert_id: [] for alert in alerts}
        for row in await self._pool.fetch(_SQL["folded"].format(lower=LOWER), list(found)):
            fields = dict(row)
            found[fields.pop("into_id")].append(Folded(**fields))
        return found

    async def get(self, tenant_id: str | None, alert_id: UUID) -> StoredAlert | None:
        """None when the tenant (None: nobody) has no such alert."""
        row = await self._pool.fetchrow(_SQL["alert"], alert_id, tenant_id)
        return None if row is None else _stored(row)


def _stored(row: Record) -> StoredAlert:
    return StoredAlert(**{**row, "details": orjson.loads(row["details"])})


async def only_one_watcher(connection: Connection) -> bool:
    """Whether this transaction is the one that watches; others find it busy."""
    return bool(await connection.fetchval(_SQL["only_one_watcher"]))


async def only_one_publisher(connection: Connection) -> bool:
    """Whether this transaction is the one that publishes; others find it busy."""
    return bool(await connection.fetchval(_SQL["only_one_publisher"]))


async def unpriced_models(connection: Connection, facts_days: int) -> list[Unpriced]:
    """Models without a price that have calls among the facts, which are kept for so many days."""
    rows = await connection.fetch(_SQL["unpriced"], facts_days)
    return [Unpriced(**row) for row in rows]


async def keep(
    connection: Connection, alerts: Sequence[Alert], standing: Sequence[Alert]
) -> tuple[list[str], list[str]]:
    """Raises those of these alerts that are new, resolves those that are not `standing`; returns the kinds of both.

    Those that stand are noted as they are now. An alert that was resolved is not raised again.
    """
    raised = await raise_new(connection, alerts)
    stands = [alert.alert_id for alert in standing]
    await connection.execute(_SQL["note_latest"], stands, _texts(standing))
    resolved = await connection.fetch(_SQL["resolve"], KINDS, stands)
    return raised, [row["kind"] for row in resolved]


async def raise_new(connection: Connection, alerts: Sequence[Alert]) -> list[str]:
    """Raises those of these alerts that are new; returns their kinds."""
    ids = [alert.alert_id for alert in alerts]
    texts = [
        (a.kind, a.severity, a.tenant_id, a.subject, a.occurrence, a.message, text)
        for a, text in zip(alerts, _texts(alerts), strict=True)
    ]
    columns = [list(column) for column in zip(*texts, strict=True)] or [[] for _ in range(7)]
    return [row["kind"] for row in await connection.fetch(_SQL["raise"], ids, *columns)]


async def resolve(connection: Connection, over: Iterable[tuple[UUID, Mapping[str, object]]]) -> None:
    """Resolves these alerts, and adds to how each stands in the end."""
    for alert_id, added in over:
        await connection.execute(_SQL["resolve_one"], alert_id, orjson.dumps(added).decode())


def _texts(alerts: Iterable[Alert]) -> list[str]:
    return [orjson.dumps(alert.details).decode() for alert in alerts]


async def unpublished(connection: Connection, limit: int) -> list[Record]:
    """Alerts of which the broker lacks an event, oldest first; `published` counts those that it has."""
    return await connection.fetch(_SQL["unpublished"], limit)


async def mark_published(connection: Connection, counts: Iterable[tuple[UUID, int]]) -> None:
    """How many events of each alert the broker has."""
    await connection.execute(_SQL["mark_published"], *map(list, zip(*counts, strict=True)))
