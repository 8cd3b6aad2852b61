"""From records to the events that folds read; each record is decoded once, whoever reads it."""

from collections.abc import Callable
from decimal import Decimal

from observatory.adapters.kafka import Record, Unreadable
from schemas.adjustments import CostAdjusted
from schemas.topics import FEEDBACK_GIVEN, FEEDBACK_ROUTED, LLM_CALLS, TRACE_SPANS
from streams.engine.fold import At
from streams.feedback.events import read_feedback
from streams.folds.spans import read_spans
from streams.ledger.decode import CallFields, money, read_call

Reader = Callable[[Record], object]
"""Reads a record of one topic; None when it is none of the folds' business. Raises `Unreadable`."""

_ADJUSTED = CostAdjusted.ce_type.encode()


def header(record: Record, name: str) -> bytes:
    """The value of a header, empty when there is none."""
    for key, value in record.headers:
        if key == name:
            return value
    return b""


def at(record: Record, topic: str) -> At:
    """Where a record stood."""
    ce_id = header(record, "ce_id").decode(errors="replace")
    return At(topic, record.partition, record.offset, record.timestamp, ce_id)


def _call(record: Record) -> CallFields | None:
    return None if header(record, "ce_type") == _ADJUSTED else read_call(record)


def cost_of(call: CallFields) -> Decimal | None:
    """The exact cost of a call, None when no price is known."""
    return None if call.cost_usd is None else money(call.cost_usd)


READERS: dict[str, Reader] = {
    LLM_CALLS.name: _call,
    FEEDBACK_GIVEN.name: read_feedback,
    FEEDBACK_ROUTED.name: read_feedback,
    TRACE_SPANS.name: read_spans,
}
"""By the topic's name in the catalogue."""

DEAD_LETTERED_ELSEWHERE = frozenset({LLM_CALLS.name})
"""What cannot be read there goes to the dead letters by another hand: here it is only passed over."""


def read(record: Record, topic: str) -> object:
    """The event of a record, or None. Raises `Unreadable`, unless another process dead-letters that topic."""
    try:
        return READERS[topic](record)
    except Unreadable:
        if topic in DEAD_LETTERED_ELSEWHERE:
            return None
        raise
