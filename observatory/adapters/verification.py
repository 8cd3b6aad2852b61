"""The proof that the provider's bill, the attempts, the facts and the rollups agree, in count and to the last decimal.

Adjustments, which belong to no call, are proved apart: those decided are those applied.

The database does the joining, so a million calls need little memory here. Attempts, facts and rollups are read in one
snapshot; the bill is read just before it, so the proof holds once the system is quiet.
"""

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import asyncpg

from observatory.adapters.bill import SimulatorBill
from observatory.adapters.postgres.pool import Connection, Pool
from observatory.adapters.postgres.queries import load_queries

_SQL = load_queries("observatory.adapters.postgres", "verify.sql")
_PIECES = {
    **load_queries("observatory.adapters.postgres", "waste.sql"),
    "tokens": load_queries("observatory.adapters.postgres", "analytics.sql")["tokens"],
}
ROLLED = [
    statement.format(**_PIECES)
    for statement in load_queries("observatory.adapters.postgres", "rolling_proof.sql").values()
]
"""From when on, and how many are shown: the sums of hours, days and weeks that are not those of what they sum."""

LEGS = ("bill", "attempts", "facts", "rollups")
UNAVAILABLE = "unavailable"

_ADJUSTMENTS = {
    "not_published": "adjustments not published",
    "not_applied": "adjustments not in the ledger",
    "not_decided": "adjustments in the ledger that nobody decided",
    "differing": "adjustments differ from what was decided",
}

OutcomeEvent = tuple[str, UUID, bytes]
"""Tenant, request and SHA-256 of the body of one outcome on `chat.responses`."""

Row = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Leg:
    """One leg's sums; cost in US dollars, tokens of all buckets."""

    calls: int = 0
    cost_usd: Decimal = field(default_factory=Decimal)
    tokens: int = 0


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What was found. `differences` counts by kind, `shown` are the first of them in full."""

    since: datetime
    legs: Mapping[str, Leg | None]
    by_model: list[Row]
    foreign_calls: int
    foreign_cost_usd: Decimal
    counts: Row
    requests: Row
    topic: Row | None
    differences: Mapping[str, int]
    shown: list[Row]
    rollup_differences: int
    rollups_shown: list[Row]
    rolled_differences: int
    rolled_shown: list[Row]
    budget_differences: int
    budgets_shown: list[Row]
    adjustments: Row

    @property
    def problems(self) -> list[str]:
        """Why it is not proven, a line each; empty when it is."""
        found = [f"{count} {kind}" for kind, count in self.differences.items()]
        found += [f"{self.rollup_differences} rollup cells differ from their facts"] if self.rollup_differences else []
        if self.rolled_differences:
            found.append(f"{self.rolled_differences} sums of hours and days differ from what they sum")
        if self.budget_differences:
            found.append(f"{self.budget_differences} rows of budgets differ from what the attempts say")
        found += _nonzero(self.counts, "in_flight")
        found += _nonzero(self.requests, "without_outcome", "outcome_not_published", "outcome_missing")
        found += _nonzero(self.topic or {}, "missing", "several", "unknown")
        found += [f"{self.adjustments[name]} {what}" for name, what in _ADJUSTMENTS.items() if self.adjustments[name]]
        present = {name: leg for name, leg in self.legs.items() if leg is not None}
        if len(set(present.values())) > 1 and not self.foreign_providers:
            found.append(f"the sums of {', '.join(present)} differ")
        return found

    @property
    def foreign_providers(self) -> bool:
        """Whether there are calls to providers of which no export is read: the sums of the bill lack them."""
        return self.legs["bill"] is not None and bool(self.counts["without_export"])

    @property
    def ok(self) -> bool:
        """All legs agree, everything has ended, and every request has its one outcome."""
        return not self.problems


@dataclass(frozen=True, kw_only=True)
class Busy:
    """What is still under way."""

    started_attempts: int
    unpublished_calls: int
    claimed_requests: int
    unpublished_outcomes: int
    adjustments_not_in_ledger: int
    calls_not_in_ledger: int

    @property
    def quiet(self) -> bool:
        """Nothing is under way."""
        return not any(vars(self).values())


async def read_busy(pool: Pool) -> Busy:
    """What the journal and the ledger say is under way."""
    row = await pool.fetchrow(_SQL["busy"])
    assert row is not None
    return Busy(**dict(row.items()))


async def verify(
    url: str,
    *,
    bill: SimulatorBill | None,
    outcomes: AsyncIterable[OutcomeEvent] | None,
    topic_holds_since: datetime,
    since: datetime,
    shown: int,
) -> Proof:
    """The proof for everything that began at or after `since` (a whole minute).

    1. The bill and the outcomes of the topic, where they are wanted, are copied into temporary tables.
    2. In one snapshot each call is joined over all legs, each cell of the rollups with its facts, and each hard budget
       with its attempts.

    Raises `BillUnavailable`, and what asyncpg raises when the database is away.
    """
    connection = await asyncpg.connect(url, timeout=10, server_settings={"timezone": "UTC"})
    try:
        await _copy_bill(connection, bill)
        if outcomes is not None:
            await connection.execute(_SQL["create_answers"])
            await connection.copy_records_to_table("outcome_events", records=outcomes)
        async with connection.transaction(isolation="repeatable_read"):
            return await _prove(
                connection,
                since=since,
                has_bill=bill is not None,
                topic_holds_since=None if outcomes is None else topic_holds_since,
                shown=shown,
            )
    finally:
        await connection.close()


async def _copy_bill(connection: Connection, bill: SimulatorBill | None) -> None:
    await connection.execute(_SQL["create_bill"])
    if bill is not None:
        await connection.copy_records_to_table("bill_lines", records=_bill_records(bill))
    await connection.execute("ANALYZE bill_lines")
    await connection.execute(_SQL["reduce_bill"])
    await connection.execute("ANALYZE bill")


async def _bill_records(bill: SimulatorBill) -> AsyncIterator[tuple[object, ...]]:
    async for row in bill.rows():
        usage = row.usage
        yield (
            row.position,
            row.bill_id,
            row.call_id,
            row.billed,
            usage.uncached_input_tokens,
            usage.cache_read_tokens,
            usage.cache_write_5m_tokens,
            usage.cache_write_1h_tokens,
            usage.output_tokens,
            row.cost_usd,
            row.received_at,
        )


async def _prove(
    connection: Connection, *, since: datetime, has_bill: bool, topic_holds_since: datetime | None, shown: int
) -> Proof:
    await connection.execute("SET LOCAL work_mem = '128MB'")
    await connection.execute(_SQL["join_legs"], since, has_bill)
    await connection.execute(_SQL["find_differences"])
    totals = [dict(row) for row in await connection.fetch(_SQL["totals"], since)]
    foreign = await _one(connection, "foreign_bill", since)
    kinds = await connection.fetch(_SQL["differences_by_kind"])
    topic = None
    if topic_holds_since is not None:
        topic = await _one(connection, "outcomes_on_topic", since, topic_holds_since)
    cells = [dict(row) for row in await connection.fetch(_SQL["rollup_differences"], since, shown)]
    rolled = [[dict(row) for row in await connection.fetch(statement, since, shown)] for statement in ROLLED]
    budgets = [dict(row) for row in await connection.fetch(_SQL["budget_differences"], since, shown)]
    return Proof(
        since=since,
        legs={name: _leg(totals, name) if name != "bill" or has_bill else None for name in LEGS},
        by_model=_by_model(totals, has_bill=has_bill),
        foreign_calls=_int(foreign["calls"]),
        foreign_cost_usd=_decimal(foreign["cost_usd"]),
        counts=await _one(connection, "counts"),
        requests=await _one(connection, "requests", since),
        topic=topic,
        differences={row["kind"]: row["calls"] for row in kinds},
        shown=[dict(row) for row in await connection.fetch(_SQL["differences_shown"], shown)],
        rollup_differences=_int(cells[0]["total"]) if cells else 0,
        rollups_shown=_without_total(cells),
        rolled_differences=sum(_int(rows[0]["total"]) for rows in rolled if rows),
        rolled_shown=_without_total([row for rows in rolled for row in rows][:shown]),
        budget_differences=_int(budgets[0]["total"]) if budgets else 0,
        budgets_shown=_without_total(budgets),
        adjustments=await _one(connection, "adjustments"),
    )


async def _one(connection: Connection, name: str, *arguments: object) -> Row:
    row = await connection.fetchrow(_SQL[name], *arguments)
    assert row is not None
    return dict(row)


def _leg(totals: list[dict[str, object]], name: str) -> Leg:
    rows = [row for row in totals if row["leg"] == name]
    return Leg(
        calls=sum(_int(row["calls"]) for row in rows),
        cost_usd=sum((_decimal(row["cost_usd"]) for row in rows), Decimal()),
        tokens=sum(_int(row["tokens"]) for row in rows),
    )


def _by_model(totals: list[dict[str, object]], *, has_bill: bool) -> list[Row]:
    """One row a provider and model with the legs side by side."""
    names = [name for name in LEGS if name != "bill" or has_bill]
    keys = dict.fromkeys((str(row["provider"]), str(row["model"])) for row in totals)
    result: list[Row] = []
    for provider, model in keys:
        mine = [row for row in totals if (row["provider"], row["model"]) == (provider, model)]
        legs = {name: _leg(mine, name) for name in names}
        row: dict[str, object] = {"provider": provider, "model": model}
        row |= {name: vars(leg) for name, leg in legs.items()}
        if has_bill and not provider.startswith("sim-") and provider != "unknown":
            row["bill"] = UNAVAILABLE
        result.append(row)
    return result


def _without_total(rows: list[dict[str, object]]) -> list[Row]:
    return [{name: value for name, value in row.items() if name != "total"} for row in rows]


def _nonzero(row: Row, *names: str) -> list[str]:
    return [f"{row[name]} {name}" for name in names if row.get(name)]


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


def _decimal(value: object) -> Decimal:
    assert isinstance(value, Decimal)
    return value
