"""What the watch over anomalies reads and writes: closed windows added up, what series remember, calls behind them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import msgspec
import orjson

from observatory.adapters.postgres.pool import Connection, Database
from observatory.adapters.postgres.queries import load_queries
from observatory.rules.anomalies.series import VERSION, Metric, Series

_SQL = load_queries("observatory.adapters.postgres", "anomalies.sql")
_decode = msgspec.json.Decoder(Series).decode

SeriesName = tuple[str, str]
"""(tenant, model without the date of its version)"""


@dataclass(frozen=True, slots=True)
class WindowSum:
    """A window of a tenant's calls to a provider's model, over all partitions."""

    start_s: int
    tenant_id: str
    provider: str
    model: str
    calls: int
    errors: int
    tokens: int
    output_tokens: int
    cost_usd: Decimal
    latency_ms_hist: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnomaly:
    """An alert of an anomaly; `details` as it was raised, `latest` as it stands or stood in the end."""

    alert_id: UUID
    severity: str
    tenant_id: str
    message: str
    details: Mapping[str, object]
    latest: Mapping[str, object]
    raised_at: datetime
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalyQuery:
    """Those that stood within a period; `standing` None: or were over by now."""

    start: datetime
    end: datetime
    tenants: Sequence[str]
    standing: bool | None
    metric: str | None
    model: str | None


async def window_sums(database: Database, begin_s: int, end_s: int, window_s: int) -> list[WindowSum]:
    """Of the windows of so many seconds from `begin_s` up to, not including, `end_s`, in their order."""
    return [WindowSum(*row) for row in await database.fetch(_SQL["window_sums"], begin_s, end_s, window_s)]


async def read_series(database: Database) -> dict[SeriesName, Series]:
    """All that is remembered; what another version of the detector remembered is learnt anew."""
    rows = await database.fetch(_SQL["series"], VERSION)
    return {(row["tenant_id"], row["model"]): _decode(row["state"]) for row in rows}


async def save_series(connection: Connection, series: Mapping[SeriesName, Series]) -> None:
    """Writes these, whatever was there."""
    texts = [msgspec.json.encode(one).decode() for one in series.values()]
    await connection.execute(_SQL["save_series"], *_columns(series), texts)


async def delete_series(connection: Connection, names: Iterable[SeriesName]) -> None:
    """Forgets these."""
    await connection.execute(_SQL["delete_series"], *_columns(names))


async def calls_to_look_at(
    database: Database, name: SeriesName, metric: Metric, since_s: int, until_s: int, limit: int
) -> list[UUID]:
    """The ids of the calls that an anomaly is about most, as far as the ledger has them."""
    moments = (datetime.fromtimestamp(second, UTC) for second in (since_s, until_s))
    rows = await database.fetch(_SQL["calls_to_look_at"], *name, *moments, metric, limit)
    return [UUID(int=row["call_id"].int) for row in rows]


async def anomalies(
    database: Database, query: AnomalyQuery, after: tuple[datetime, UUID] | None, limit: int
) -> list[StoredAnomaly]:
    """A page, newest first."""
    rows = await database.fetch(
        _SQL["page"], query.start, query.end, *(after or (None, None)), query.tenants, query.standing, query.metric,
        query.model, limit,
    )  # fmt: skip
    return [
        StoredAnomaly(**{**row, "details": orjson.loads(row["details"]), "latest": orjson.loads(row["latest"])})
        for row in rows
    ]


async def watermark(database: Database) -> datetime | None:
    """Until when windows were looked at; None before the first look."""
    until: datetime | None = await database.fetchval(_SQL["watermark"])
    return until


def _columns(names: Iterable[SeriesName]) -> tuple[list[str], list[str]]:
    listed = list(names)
    return [tenant_id for tenant_id, _ in listed], [model for _, model in listed]
