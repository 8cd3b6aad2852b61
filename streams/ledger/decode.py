"""From a record of `llm.calls` to a fact, fast; what cannot be a fact is `Unreadable`, with the reason.

A msgspec mirror of the schema reads nearly all records. What it refuses, and every text with an escape in it (the only
way for a control character into JSON), is judged by the schema itself, so that both agree on what is good.
Values that PostgreSQL would refuse, or that no honest call has, are refused here: they must not stop a partition.
"""

from datetime import datetime
from decimal import Decimal, DecimalException
from typing import Annotated
from uuid import UUID

import msgspec

from observatory.adapters.kafka import UNDECODABLE, Record, Unreadable, read_event
from observatory.adapters.postgres.ledger import Fact
from observatory.rules.money import BOOKABLE
from schemas.calls import CallSource, CallStatus, CostState, LlmCallRecorded, Operation, UsageSource

DAY_S = 86_400
EARLY_S = DAY_S
"""How far ahead of the broker's clock a call may have started: the clocks of producers differ."""

FIRST_YEAR, LAST_YEAR = 1970, 2500
_CE_TYPE = LlmCallRecorded.ce_type.encode()

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Number = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
Tokens = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=1e15)]
Time = Annotated[datetime, msgspec.Meta(tz=True)]
MoneyText = Annotated[str, msgspec.Meta(max_length=100)]
Tags = Annotated[dict[Name, Annotated[str, msgspec.Meta(max_length=1024)]], msgspec.Meta(max_length=64)]


class UsageFields(msgspec.Struct, gc=False, frozen=True):
    """`schemas.calls.Usage`."""

    uncached_input_tokens: Tokens = 0
    cache_read_tokens: Tokens = 0
    cache_write_5m_tokens: Tokens = 0
    cache_write_1h_tokens: Tokens = 0
    output_tokens: Tokens = 0
    reasoning_tokens: Tokens = 0
    input_audio_tokens: Tokens | None = None
    output_audio_tokens: Tokens | None = None
    input_image_tokens: Tokens | None = None


class LatencyFields(msgspec.Struct, gc=False, frozen=True):
    """`schemas.calls.Latency`."""

    queue_ms: Milliseconds | None = None
    policy_ms: Milliseconds | None = None
    ttft_ms: Milliseconds | None = None
    total_ms: Milliseconds | None = None


class CallFields(msgspec.Struct, gc=False, frozen=True, kw_only=True):
    """`schemas.calls.LlmCallRecorded`; money is still text. Up to `latency` the fields are in the order of `Fact`.

    Those behind it are no part of a fact.
    """

    call_id: UUID
    revision: Number
    request_id: UUID
    attempt: Number
    source: CallSource
    tenant_id: Name
    user_id: Name | None = None
    conversation_id: Name | None = None
    operation: Operation
    provider: Name
    request_model: Name
    response_model: Name | None = None
    provider_response_id: str | None = None
    status: CallStatus
    error_type: str | None = None
    usage_source: UsageSource
    cost_state: CostState
    price_version: str | None = None
    started_at: Time
    first_token_at: Time | None = None
    ended_at: Time | None = None
    api_key_id: Name | None = None
    service_tier: str | None = None
    region: str | None = None
    experiment_id: Name | None = None
    variant_id: Name | None = None
    prompt_version: Name | None = None
    prompt_hash: Name | None = None
    tags: Tags | None = None
    cost_usd: MoneyText | None = None
    usage: UsageFields | None = None
    latency: LatencyFields | None = None
    experiment_version: Number | None = None
    experiment_unit: Name | None = None


_FREE_TEXTS = ("provider_response_id", "error_type", "price_version", "service_tier", "region")
"""Besides the values of tags, the texts in which the schema allows every character."""

_PLAIN_FIELDS = CallFields.__struct_fields__.index("tags")
_NO_USAGE = (None,) * len(UsageFields.__struct_fields__)
_NO_LATENCY = (None,) * len(LatencyFields.__struct_fields__)

# Asked for by its number, a byte is found several times as fast as by its text.
_BACKSLASH, _DELETE = ord("\\"), 0x7F

_decode = msgspec.json.Decoder(CallFields, strict=True).decode
_encode = msgspec.json.encode
_astuple = msgspec.structs.astuple


def read_fact(record: Record, retention_days: int) -> Fact:
    """The fact that a record states. `retention_days` is how long facts are kept: no older call is accepted.

    Raises `Unreadable`.
    """
    return _fact(read_call(record), record, retention_days)


def read_call(record: Record) -> CallFields:
    """The fields of a call, as the schema has them. Raises `Unreadable`."""
    value = record.value
    if value is None or _BACKSLASH in value or _DELETE in value or not _of_our_type(record):
        return _judged_by_schema(record)
    try:
        return _decode(value)
    except UNDECODABLE:
        return _judged_by_schema(record)


def _of_our_type(record: Record) -> bool:
    for name, value in record.headers:
        if name == "ce_type":
            return bool(value == _CE_TYPE)
    return True


def _judged_by_schema(record: Record) -> CallFields:
    """Reads with the schema, then applies the bounds of the table by way of the mirror."""
    _, event = read_event(record, LlmCallRecorded)
    try:
        call = _decode(event.to_json())
    except msgspec.ValidationError as error:
        raise Unreadable(str(error)) from error
    return _without_nul(call)


def _without_nul(call: CallFields) -> CallFields:
    """PostgreSQL has no place for the character NUL, and a call that was paid is booked whatever its texts hold."""
    found: dict[str, object] = {
        name: text.replace("\0", "\ufffd") for name in _FREE_TEXTS if "\0" in (text := getattr(call, name) or "")
    }
    if any("\0" in value for value in (call.tags or {}).values()):
        found["tags"] = {name: value.replace("\0", "\ufffd") for name, value in (call.tags or {}).items()}
    return msgspec.structs.replace(call, **found) if found else call


def _fact(call: CallFields, record: Record, retention_days: int) -> Fact:
    started_s = call.started_at.timestamp()
    appended_s = record.timestamp / 1000
    if not appended_s - retention_days * DAY_S <= started_s <= appended_s + EARLY_S:
        raise Unreadable("started_at: outside the period for which facts are kept, seen from the record's append time")
    first_token_at, ended_at = call.first_token_at, call.ended_at
    if not (
        (first_token_at is None or FIRST_YEAR <= first_token_at.year <= LAST_YEAR)
        and (ended_at is None or FIRST_YEAR <= ended_at.year <= LAST_YEAR)
    ):
        raise Unreadable(f"first_token_at, ended_at: outside the years {FIRST_YEAR} to {LAST_YEAR}")
    usage = _NO_USAGE if call.usage is None else _usage(call.usage)
    latency = _NO_LATENCY if call.latency is None else _astuple(call.latency)
    tags = _encode(call.tags).decode() if call.tags else None
    cost_usd = None if call.cost_usd is None else money(call.cost_usd)
    own = _astuple(call)[:_PLAIN_FIELDS]
    # `Fact._make` does the same through a call in Python that costs as much as all of this.
    return tuple.__new__(Fact, (*own, tags, cost_usd, *usage, *latency, record.partition, record.offset))


def _usage(usage: UsageFields) -> tuple[object, ...]:
    if usage.reasoning_tokens > usage.output_tokens:
        raise Unreadable("usage: reasoning_tokens are a part of output_tokens and cannot exceed them")
    return _astuple(usage)


def money(text: str) -> Decimal:
    """The exact amount. Raises `Unreadable` for what is not a number or absurdly large, small or long."""
    try:
        amount = BOOKABLE.create_decimal(text)
    except DecimalException as error:
        raise Unreadable(f"cost_usd: {text!r} is not an amount that can be booked") from error
    if not amount.is_finite():
        raise Unreadable("cost_usd: money must be a finite number")
    return amount
