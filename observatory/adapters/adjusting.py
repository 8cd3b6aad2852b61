"""Books what a provider's bill says beyond our calls: decided in the database, published, marked; and closes months.

What was decided and not published, because the process died in between, is published by whoever comes next; it has the
same id, so the ledger counts it once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from observatory.adapters.kafka import Publisher
from observatory.adapters.postgres import adjustments, exports
from observatory.adapters.postgres.adjustments import Booked, Decided
from observatory.adapters.postgres.pool import Connection, Pool
from observatory.rules.drift import Drift, Key, Said, booked_month, drift
from observatory.rules.money import MONEY, ZERO, bookable
from schemas.adjustments import CostAdjusted
from schemas.base import decimal_text
from schemas.envelope import adjustment_id, event_id
from schemas.topics import LLM_CALLS


class NotBookable(Exception):
    """An amount that the ledger would not take; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """Whose export it is, by what it is named, and the tenant that its adjustments are booked to.

    Only days before `today` are booked: of others more may come.
    """

    provider: str
    export_id: str
    tenant_id: str
    today: date


async def compare(
    connection: Connection, provider: str, export_id: str, said: Said
) -> tuple[list[Drift], list[Booked]]:
    """What the export says against what is booked now, and the adjustments so far."""
    known = await adjustments.booked(connection, provider, sorted(said.days), export_id)
    so_far: Mapping[Key, Decimal] = {(one.model, one.day): one.amount_usd for one in known}
    return drift(said, await exports.ours(connection, provider, sorted(said.days)), so_far), known


async def book(pool: Pool, booking: Booking, said: Said, *, dry_run: bool) -> list[Decided]:
    """Decides an adjustment for each difference that is left; nothing where nothing is. Raises `NotBookable`.

    Nobody else books meanwhile, so what one run has adjusted the next one sees.
    """
    async with pool.acquire() as connection, connection.transaction():
        await adjustments.lock_booking(connection)
        closed = await adjustments.last_closed_month(connection)
        rows, known = await compare(connection, booking.provider, booking.export_id, said)
        decided = list(_decided(booking, said, rows, known, closed))
        if decided and not dry_run:
            await adjustments.decide(connection, decided)
    return decided


def _decided(
    booking: Booking, said: Said, rows: Iterable[Drift], known: Iterable[Booked], closed: date | None
) -> Iterable[Decided]:
    numbers = {(one.model, one.day): one.from_export for one in known}
    for row in rows:
        amount = row.difference.usd
        if not amount or row.day >= booking.today:
            continue
        number = numbers.get((row.model, row.day), 0) + 1
        yield Decided(
            adjustment_id=adjustment_id(
                booking.tenant_id, booking.provider, row.model, row.day.isoformat(), booking.export_id, str(number)
            ),
            tenant_id=booking.tenant_id,
            provider=booking.provider,
            model=row.model,
            day=row.day,
            booked_month=booked_month(row.day, closed),
            amount_usd=_amount(row, amount),
            reason=_reason(booking.provider, row, priced=said.priced),
            export_id=booking.export_id,
        )


def _amount(row: Drift, amount: Decimal) -> Decimal:
    try:
        return bookable(decimal_text(amount.normalize(MONEY)))
    except ValueError as error:
        raise NotBookable(f"{row.day} {row.model}: {error}") from error


def _reason(provider: str, row: Drift, *, priced: bool) -> str:
    says = "counted usage of" if priced else "billed"
    theirs, ours = decimal_text(row.theirs.usd or ZERO), decimal_text(row.ours.usd or ZERO)
    already = f" and {decimal_text(row.booked_usd)} USD adjusted" if row.booked_usd else ""
    return f"{provider} {says} {theirs} USD where {ours} USD are booked{already}"


async def publish_open(pool: Pool, publisher: Publisher) -> int:
    """Sends every adjustment that the broker may not have, and notes that it has it; returns how many."""
    rows = await adjustments.unpublished(pool)
    sent = []
    for row in rows:
        event = CostAdjusted(**dict(row.items()))
        ce_id = event_id(event.adjustment_id, CostAdjusted.ce_type)
        sent.append(await publisher.publish(LLM_CALLS, event.tenant_id, event, ce_id))
    for future in sent:
        await future
    await adjustments.mark_published(pool, (row["adjustment_id"] for row in rows))
    return len(rows)


async def close_month(pool: Pool, month: date, closed_by: str) -> bool:
    """Closes a month and all before it to adjustments; False when it was closed already."""
    async with pool.acquire() as connection, connection.transaction():
        await adjustments.lock_booking(connection)
        closed = await adjustments.last_closed_month(connection)
        if closed is not None and month <= closed:
            return False
        return await adjustments.close_month(connection, month, closed_by)
