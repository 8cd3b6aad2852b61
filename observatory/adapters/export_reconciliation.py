"""Reconciles with a provider's own export: settles the attempts that it names, compares by model and day, adjusts.

The whole export is read and checked before anything is done; one bad row refuses it all.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

from asyncpg import Record

from observatory.adapters.adjusting import Booking, NotBookable, book, compare, publish_open
from observatory.adapters.bill import BillRow
from observatory.adapters.exports.collecting import Collector, staged_columns
from observatory.adapters.exports.files import Provider, Reader, export_id
from observatory.adapters.exports.rows import Problems
from observatory.adapters.kafka import Publisher
from observatory.adapters.postgres import exports
from observatory.adapters.postgres.adjustments import Decided
from observatory.adapters.postgres.exports import Matches
from observatory.adapters.postgres.pool import Connection, Pool
from observatory.adapters.postgres.prices import load_book
from observatory.adapters.reconciliation import Result, change_of, settle
from observatory.rules.drift import Drift, Said, next_month
from observatory.rules.money import ZERO
from observatory.rules.pricing import Prices
from observatory.rules.reconciliation import ExportRow, Unsettled, decide
from schemas.calls import Usage

_POLL_S = 0.2
_YIELD_EVERY = 500
_NO_MARGIN = timedelta(0)


class NotComparable(Exception):
    """What we know is not ready to be compared or adjusted; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be done: with which files of which provider and month (its first day), and how far.

    `patience_s` is how long the ledger is waited for before the comparison. Adjustments are booked to `tenant_id`.
    """

    provider: Provider
    month: date
    paths: Sequence[Path]
    tenant_id: str = "default"
    book: bool = False
    dry_run: bool = False
    patience_s: float = 30.0

    @property
    def period(self) -> tuple[datetime, datetime]:
        """From (included) and until when, in UTC."""
        end = next_month(self.month)
        return _midnight(self.month), _midnight(end)


@dataclass(kw_only=True)
class Reconciled:
    """What came of it. `behind`: calls that are under way or not in the ledger; `settled` and `matches`: None for
    exports without rows by call."""

    export_id: str
    said: Said
    rows: list[Drift]
    settled: Result | None = None
    matches: Matches | None = None
    behind: int = 0
    booked: list[Decided] = field(default_factory=list)
    published: int = 0


async def reconcile_export(pool: Pool, publisher: Publisher, order: Order) -> Reconciled:
    """Does what the order says.

    1. The export is read, checked and, where it has rows by call, staged: nothing else has happened when it is refused.
    2. Adjustments that a run before this one decided and did not publish are published.
    3. Attempts whose end or usage we do not know and that the export names are settled and published.
    4. Once the ledger has all of the period, the export is compared with it, by model and day.
    5. What differs is adjusted, where that is wanted, and published.

    Raises `ExportRefused`, `NotComparable`, and what asyncpg and Kafka's client raise when they are away.
    """
    name = export_id(order.paths)
    prices = await load_book(pool)
    async with pool.acquire() as connection:
        said, by_call = await _read(connection, order, prices)
        result = Reconciled(export_id=name, said=said, rows=[])
        if not order.dry_run:
            result.published = await publish_open(pool, publisher)
        if by_call:
            result.settled = await _settle(pool, connection, publisher, order, prices)
        result.behind = await _wait(pool, order)
        if by_call:
            result.matches = await exports.matches(connection, order.provider, *order.period)
    if order.book:
        await _book(pool, publisher, order, result)
    async with pool.acquire() as connection:
        result.rows, _ = await compare(connection, order.provider, name, said)
    return result


async def _read(connection: Connection, order: Order, prices: Prices) -> tuple[Said, bool]:
    """What the export says; and whether it has rows by call, which are staged then."""
    problems = Problems()
    reader = Reader(order.provider, order.month, next_month(order.month), problems)
    collector = Collector(order.provider, prices, problems)
    staged = 0

    async def rows() -> AsyncIterator[tuple[object, ...]]:
        nonlocal staged
        for number, row in enumerate(collector.read(reader, order.paths)):
            if row.kind == "call":
                staged += 1
                yield staged_columns(row)
            if number % _YIELD_EVERY == 0:
                await asyncio.sleep(0)

    await exports.stage(connection, rows())
    for twice in await exports.duplicates(connection):
        first, *others = twice["places"]
        for place in others:
            problems.add(place, f"{twice['id']} stands in {first} already")
    problems.refuse()
    return collector.said(), staged > 0


async def _settle(pool: Pool, connection: Connection, publisher: Publisher, order: Order, prices: Prices) -> Result:
    """Settles what the staged rows name. That one is missing there proves nothing, so no attempt becomes `not_sent`."""
    found: dict[UUID, list[Record]] = {}
    calls_of_row: Counter[str] = Counter()
    for row in await exports.unsettled(connection, order.provider, *order.period):
        found.setdefault(row["call_id"], []).append(row)
        calls_of_row[row["place"]] += 1
    result = Result(unsettled=len(found))
    changes = []
    for call_id, rows in found.items():
        if len(rows) > 1 or calls_of_row[rows[0]["place"]] > 1:
            # Several rows of one call, or one row of several calls: a person has to say which is right.
            result.doubled.append(call_id)
            continue
        exported = _bill_row(order.provider, rows[0])
        known = Unsettled(status=rows[0]["status"], started_at=rows[0]["started_at"])
        said = ExportRow(usage=exported.usage, billed=True, open=False, received_at=exported.received_at)
        decision = decide(known, said, complete_until=exported.received_at, margin=_NO_MARGIN)
        assert decision is not None
        changes.append(change_of(rows[0], decision, exported, prices))
    await settle(pool, publisher, changes, result, dry_run=order.dry_run)
    return result


def _bill_row(provider: str, row: Record) -> BillRow:
    return BillRow(
        position=0,
        bill_id=row["place"],
        call_id=row["call_id"],
        kind=provider,
        model=row["model"],
        response_id=row["response_id"],
        open=False,
        billed=True,
        usage=Usage(**{name: row[name] for name in Usage.model_fields}),
        cost_usd=ZERO,
        received_at=row["exported_started_at"],
        finished_at=None,
        service_tier=row["service_tier"],
    )


async def _wait(pool: Pool, order: Order) -> int:
    """How far the ledger is behind once it has everything, or when patience ends."""
    end = time.monotonic() + order.patience_s
    while True:
        behind = await exports.behind(pool, order.provider, *order.period)
        if not behind or time.monotonic() >= end:
            return behind
        await asyncio.sleep(_POLL_S)


async def _book(pool: Pool, publisher: Publisher, order: Order, result: Reconciled) -> None:
    if result.behind:
        raise NotComparable(
            f"{result.behind} calls of {order.provider} in {order.month:%Y-%m} are under way or not in the ledger yet: "
            "nothing was adjusted, run it again"
        )
    today = datetime.now(UTC).date()
    booking = Booking(provider=order.provider, export_id=result.export_id, tenant_id=order.tenant_id, today=today)
    try:
        result.booked = await book(pool, booking, result.said, dry_run=order.dry_run)
    except NotBookable as error:
        raise NotComparable(f"nothing was adjusted: {error}") from error
    if not order.dry_run:
        result.published += await publish_open(pool, publisher)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
