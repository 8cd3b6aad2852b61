"""From a record of `trace.spans` to its spans, fast: a mirror of `schemas.spans`; what is none is `Unreadable`.

Times far from the broker's are refused: they would spread the table of spans over all ages.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from observatory.adapters.kafka import UNDECODABLE, Record, Unreadable
from schemas.spans import (
    MAX_ATTRIBUTES,
    MAX_EVENTS,
    MAX_LINKS,
    MAX_SPAN_NAME,
    MAX_SPANS,
    MAX_STATUS_MESSAGE,
    SpansReceived,
)
from streams.ledger.decode import Name, money

KEEP = timedelta(days=30)
"""For how long spans and traces are kept; no older span is taken."""
EARLY = timedelta(days=1)
"""How far ahead of the broker's clock a span may lie."""

_CE_TYPE = SpansReceived.ce_type.encode()

Id16 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$")]
Id32 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
Nano = Annotated[str, msgspec.Meta(pattern="^(0|[1-9][0-9]{0,18})$")]
SpanName = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_SPAN_NAME)]
Json = str | int | float | bool | list | dict | None  # type: ignore[type-arg]  # any JSON value, as msgspec reads it
Attributes = Annotated[
    dict[Annotated[str, msgspec.Meta(min_length=1, max_length=256)], Json], msgspec.Meta(max_length=MAX_ATTRIBUTES)
]


class EventFields(msgspec.Struct, frozen=True, omit_defaults=True):
    """`schemas.spans.SpanEvent`."""

    name: SpanName
    at_unix_nano: Nano
    attributes: Attributes | None = None


class LinkFields(msgspec.Struct, frozen=True, omit_defaults=True):
    """`schemas.spans.SpanLink`."""

    trace_id: Id32
    span_id: Id16
    attributes: Attributes | None = None


class SpanFields(msgspec.Struct, frozen=True, kw_only=True):
    """`schemas.spans.Span`; money is still text."""

    span_id: Id16
    parent_span_id: Id16 | None = None
    name: SpanName
    kind: Literal["internal", "server", "client", "producer", "consumer"] = "internal"
    start_unix_nano: Nano
    end_unix_nano: Nano
    status: Literal["unset", "ok", "error"] = "unset"
    status_message: Annotated[str, msgspec.Meta(max_length=MAX_STATUS_MESSAGE)] | None = None
    scope: Name | None = None
    attributes: Attributes | None = None
    events: Annotated[list[EventFields], msgspec.Meta(max_length=MAX_EVENTS)] | None = None
    links: Annotated[list[LinkFields], msgspec.Meta(max_length=MAX_LINKS)] | None = None
    dropped: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None
    conversation_id: Name | None = None
    user_id: Name | None = None
    request_id: UUID | None = None
    call_id: UUID | None = None
    cost_usd: Annotated[str, msgspec.Meta(max_length=100)] | None = None


class SpansFields(msgspec.Struct, frozen=True, kw_only=True):
    """`schemas.spans.SpansReceived`."""

    trace_id: Id32
    tenant_id: Name | None = None
    service: Name
    resource: Attributes | None = None
    spans: Annotated[list[SpanFields], msgspec.Meta(min_length=1, max_length=MAX_SPANS)]


_decode = msgspec.json.Decoder(SpansFields).decode


def read_spans(record: Record) -> SpansFields:
    """The spans that a record brings. Raises `Unreadable`."""
    for name, value in record.headers:
        if name == "ce_type" and value != _CE_TYPE:
            raise Unreadable(f"unknown ce_type {value!r}; this topic carries {SpansReceived.ce_type}")
    body = record.value
    if body is None:
        raise Unreadable("the record has no value")
    if b"\\u0000" in body:  # PostgreSQL has no place for it, and a prompt in an attribute may hold it
        body = body.replace(b"\\u0000", b"\\ufffd")
    try:
        received = _decode(body)
    except UNDECODABLE as error:
        raise Unreadable(f"not {SpansReceived.ce_type}: {error}") from error
    earliest = record.timestamp - KEEP // timedelta(milliseconds=1)
    latest = record.timestamp + EARLY // timedelta(milliseconds=1)
    for span in received.spans:
        start_ms, end_ms = int(span.start_unix_nano) // 1_000_000, int(span.end_unix_nano) // 1_000_000
        if not (earliest <= start_ms <= latest and end_ms <= latest):
            raise Unreadable(f"span {span.span_id}: outside the period for which spans are kept, seen from the broker")
        if span.cost_usd is not None:
            money(span.cost_usd)
    return received


def cost_of_span(span: SpanFields) -> Decimal | None:
    """The exact cost that a span states."""
    return None if span.cost_usd is None else money(span.cost_usd)
