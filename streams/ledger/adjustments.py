"""From a record of `llm.calls` to an adjustment: rare, so read by its schema; what is none is `Unreadable`."""

from observatory.adapters.kafka import Record, Unreadable, read_event
from observatory.adapters.postgres.adjustments import Adjustment
from observatory.rules.money import bookable
from schemas.adjustments import CostAdjusted
from streams.ledger.decode import FIRST_YEAR, LAST_YEAR

_CE_TYPE = CostAdjusted.ce_type.encode()


def states_adjustment(record: Record) -> bool:
    """Whether the record says of itself that it is one."""
    return any(name == "ce_type" and value == _CE_TYPE for name, value in record.headers)


def read_adjustment(record: Record) -> Adjustment:
    """The adjustment that a record states. Raises `Unreadable`."""
    _, event = read_event(record, CostAdjusted)
    moments = (event.day, event.booked_month, event.adjusted_at)
    if not all(FIRST_YEAR <= moment.year <= LAST_YEAR for moment in moments):
        raise Unreadable(f"day, booked_month, adjusted_at: outside the years {FIRST_YEAR} to {LAST_YEAR}")
    try:
        amount = bookable(str(event.amount_usd))
    except ValueError as error:
        raise Unreadable(f"amount_usd: {error}") from error
    return Adjustment(
        adjustment_id=event.adjustment_id,
        tenant_id=event.tenant_id,
        provider=event.provider,
        model=event.model,
        day=event.day,
        booked_month=event.booked_month,
        amount_usd=amount,
        reason=event.reason,
        export_id=event.export_id,
        adjusted_at=event.adjusted_at,
        topic_partition=record.partition,
        topic_offset=record.offset,
    )
