"""Settles attempts from a provider's export."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import orjson
from asyncpg import Record

from observatory.adapters.bill import BillRow, SimulatorBill
from observatory.adapters.kafka import Publisher
from observatory.adapters.postgres.pool import Pool
from observatory.adapters.postgres.prices import load_book
from observatory.adapters.postgres.queries import load_queries
from observatory.adapters.revisions import NewRevision, revise
from observatory.rules.attempts import usage_json
from observatory.rules.money import MONEY, ZERO
from observatory.rules.pricing import PriceQuery, Prices
from observatory.rules.reconciliation import Decision, ExportRow, Unsettled, decide
from schemas.base import decimal_text, rfc3339

_SQL = load_queries("observatory.adapters.postgres", "reconcile.sql")
SIMULATED = "sim-"
_BATCH = 500
_QUERY_S = 300


@dataclass(frozen=True, slots=True)
class Change:
    """One attempt as it will be: what was decided, its cost in US dollars (None: no price) and its new record."""

    attempt: Record
    decision: Decision
    cost_usd: Decimal | None
    record: str


@dataclass
class Result:
    """What came of it. `overtaken`: their worker said more meanwhile; `doubled`: billed more than once."""

    unsettled: int = 0
    settled: dict[str, int] = field(default_factory=dict)
    cost_usd: Decimal = field(default_factory=Decimal)
    undecided: int = 0
    overtaken: int = 0
    doubled: list[UUID] = field(default_factory=list)


async def reconcile(
    pool: Pool, publisher: Publisher, bill: SimulatorBill, *, since: datetime, margin: timedelta, dry_run: bool
) -> Result:
    """Settles what the export can settle among attempts that began at or after `since`.

    1. How complete the export is, is asked before it is read: what is missing below that was never served.
    2. Each attempt's rows in the export are found; one with several calls at the provider is left to a person.
    3. What was decided is written by compare-and-set, published, and marked as published, batch by batch.

    Raises `BillUnavailable`, and what asyncpg and Kafka's client raise when they are away.
    """
    complete_until = (await bill.status()).complete_until
    attempts = {row["call_id"]: row for row in await pool.fetch(_SQL["unsettled"], since, SIMULATED, timeout=_QUERY_S)}
    found = await _rows_of(bill, attempts.keys())
    result = Result(unsettled=sum(row["status"] != "not_sent" for row in attempts.values()))
    result.doubled = [call_id for call_id, rows in found.items() if len(rows) > 1]
    prices = await load_book(pool)
    changes = []
    for call_id, attempt in attempts.items():
        rows = list(found.get(call_id, {}).values())
        if len(rows) > 1:
            continue
        decision = _decide(attempt, rows[0] if rows else None, complete_until, margin)
        if decision is not None:
            changes.append(change_of(attempt, decision, rows[0] if rows else None, prices))
        elif attempt["status"] != "not_sent":
            result.undecided += 1
    await settle(pool, publisher, changes, result, dry_run=dry_run)
    return result


async def _rows_of(bill: SimulatorBill, wanted: Container[UUID]) -> dict[UUID, dict[str, BillRow]]:
    """The last row of each bill id, by call."""
    found: dict[UUID, dict[str, BillRow]] = {}
    async for row in bill.rows():
        if row.call_id is not None and row.call_id in wanted:
            found.setdefault(row.call_id, {})[row.bill_id] = row
    return found


def _decide(attempt: Record, row: BillRow | None, complete_until: datetime, margin: timedelta) -> Decision | None:
    known = Unsettled(status=attempt["status"], started_at=attempt["started_at"])
    exported = None
    if row is not None:
        exported = ExportRow(usage=row.usage, billed=row.billed, open=row.open, received_at=row.received_at)
    return decide(known, exported, complete_until=complete_until, margin=margin)


def change_of(attempt: Record, decision: Decision, row: BillRow | None, prices: Prices) -> Change:
    """Prices what has to be priced, by our own rules, and rewrites the record."""
    fields: dict[str, object] = orjson.loads(attempt["record"])
    cost, version = decision.cost_usd, fields.get("price_version")
    if row is not None and decision.cost_usd is None:
        given = fields.get("service_tier")
        tier = given if isinstance(given, str) else row.service_tier
        query = PriceQuery(
            kind=row.kind,
            model=row.model,
            at=attempt["started_at"],
            service_tier=tier,
            tenant_id=str(fields["tenant_id"]),
            deployment=str(fields["request_model"]),
        )
        priced = prices.cost(query, row.usage)
        cost, version = priced or (None, None)
    fields |= {
        "status": decision.status,
        "usage": usage_json(decision.usage),
        "usage_source": decision.usage_source,
        "cost_usd": None if cost is None else decimal_text(cost),
        "cost_state": "reconciled",
        "price_version": version,
    }
    if row is not None:
        fields["provider_response_id"] = fields.get("provider_response_id") or row.response_id
        fields["response_model"] = fields.get("response_model") or row.model or None
        fields["service_tier"] = fields.get("service_tier") or row.service_tier
        fields["ended_at"] = fields.get("ended_at") or (rfc3339(row.finished_at) if row.finished_at else None)
    if decision.status in ("ok", "not_sent"):
        fields["error_type"] = None
    elif decision.status == "error":
        fields["error_type"] = fields.get("error_type") or "worker_lost"
    present = {name: value for name, value in fields.items() if value is not None}
    return Change(attempt, decision, cost, orjson.dumps(present).decode())


async def settle(pool: Pool, publisher: Publisher, changes: Sequence[Change], result: Result, *, dry_run: bool) -> None:
    """Writes changes by compare-and-set, publishes them and marks them as published, batch by batch; counts them."""
    for batch in _batches(changes):
        await _apply(pool, publisher, batch, result, dry_run=dry_run)


def _batches(changes: Sequence[Change]) -> Iterator[Sequence[Change]]:
    for start in range(0, len(changes), _BATCH):
        yield changes[start : start + _BATCH]


async def _apply(pool: Pool, publisher: Publisher, changes: Sequence[Change], result: Result, *, dry_run: bool) -> None:
    written = {change.attempt["call_id"] for change in changes}
    if not dry_run:
        written = await revise(pool, publisher, [_revision(change) for change in changes])
    for change in changes:
        if change.attempt["call_id"] not in written:
            result.overtaken += 1
            continue
        verdict = change.decision.verdict
        result.settled[verdict] = result.settled.get(verdict, 0) + 1
        result.cost_usd = MONEY.add(result.cost_usd, change.cost_usd or ZERO)


def _revision(change: Change) -> NewRevision:
    attempt = change.attempt
    return NewRevision(
        attempt["call_id"],
        attempt["revision"],
        change.decision.status,
        change.cost_usd,
        "reconciled",
        change.record,
    )
