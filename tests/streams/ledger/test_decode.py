"""What is a fact and what is not, without Kafka or a database."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from observatory.adapters.kafka import Unreadable
from observatory.adapters.postgres.ledger import Fact
from schemas.calls import Latency, LlmCallRecorded, Usage
from streams.ledger.decode import CallFields, LatencyFields, UsageFields, read_fact
from tests.streams.ledger.calls import NOW, Body, call, encode, record

RETENTION_DAYS = 400


def read(body: Body) -> Fact:
    return read_fact(record(encode(body)), RETENTION_DAYS)


@pytest.mark.parametrize(
    ("mirror", "model"), [(CallFields, LlmCallRecorded), (UsageFields, Usage), (LatencyFields, Latency)]
)
def test_the_mirror_has_the_fields_of_the_schema_and_requires_the_same(
    mirror: type[msgspec.Struct], model: type[BaseModel]
) -> None:
    required = {field.name for field in msgspec.structs.fields(mirror) if field.required}
    assert set(mirror.__struct_fields__) == set(model.model_fields)
    assert required == {name for name, field in model.model_fields.items() if field.is_required()}


def test_the_fact_has_the_mirror_s_fields_in_its_order() -> None:
    plain = CallFields.__struct_fields__[: CallFields.__struct_fields__.index("usage")]
    nested = (*UsageFields.__struct_fields__, *LatencyFields.__struct_fields__)
    assert Fact._fields == (*plain, *nested, "topic_partition", "topic_offset")
    assert set(get_type_hints(Fact)) == set(Fact._fields)


def test_every_field_reaches_the_fact() -> None:
    body = call(cost_usd="0.00000012345")
    fact = read(body)
    assert str(fact.call_id) == body["call_id"]
    assert fact.cost_usd == Decimal("0.00000012345")
    assert fact.started_at.isoformat() == body["started_at"]
    assert (fact.cache_write_1h_tokens, fact.output_tokens, fact.queue_ms) == (30, 400, 1.5)
    assert fact.tags == '{"team":"search"}'
    assert (fact.topic_partition, fact.topic_offset) == (0, 0)
    assert None not in (
        fact.user_id,
        fact.conversation_id,
        fact.region,
        fact.variant_id,
        fact.prompt_version,
        fact.prompt_hash,
    )


def test_absent_usage_latency_and_price_are_null_not_zero() -> None:
    fact = read(call(usage=None, latency=None, cost_usd=None, tags=None))
    assert (fact.output_tokens, fact.total_ms, fact.cost_usd, fact.tags) == (None, None, None, None)


def test_escapes_and_unknown_fields_are_read_as_the_schema_reads_them() -> None:
    body = call(user_id='Zoë "Z"', from_a_newer_producer=[1])
    fact = read_fact(record(json.dumps(body).encode()), RETENTION_DAYS)
    assert fact.user_id == 'Zoë "Z"'


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cost_usd": 0.5}, "cost_usd"),
        ({"cost_usd": 1}, "cost_usd"),
        ({"cost_usd": "NaN"}, "cost_usd"),
        ({"cost_usd": "Infinity"}, "cost_usd"),
        ({"cost_usd": "1e5000"}, "cost_usd"),
        ({"cost_usd": "1000000000000"}, "cost_usd"),
        ({"cost_usd": "0." + "1" * 44}, "cost_usd"),
        ({"cost_usd": "free"}, "cost_usd"),
        ({"started_at": "2026-06-01T00:00:00"}, "started_at"),
        ({"started_at": (NOW - timedelta(days=401)).isoformat()}, "started_at"),
        ({"started_at": (NOW + timedelta(days=2)).isoformat()}, "started_at"),
        ({"ended_at": "0001-01-01T00:00:00+14:00"}, "ended_at"),
        ({"revision": 0}, "revision"),
        ({"revision": 2**31}, "revision"),
        ({"revision": "1"}, "revision"),
        ({"attempt": None}, "attempt"),
        ({"call_id": "x"}, "call_id"),
        ({"status": "fine"}, "status"),
        ({"tenant_id": ""}, "tenant_id"),
        ({"tenant_id": "a\nb"}, "tenant_id"),
        ({"tenant_id": "x" * 257}, "tenant_id"),
        ({"tags": {"a": 1}}, "tags"),
        ({"usage": {"output_tokens": -1}}, "output_tokens"),
        ({"usage": {"output_tokens": 1, "reasoning_tokens": 2}}, "reasoning_tokens"),
        ({"usage": {"output_tokens": 2**63}}, "output_tokens"),
        ({"latency": {"total_ms": -1}}, "total_ms"),
        ({"latency": {"total_ms": float("nan")}}, "."),
        ({"latency": {"total_ms": 1e300}}, "total_ms"),
    ],
)
def test_what_is_wrong_is_named(changes: Body, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        read(call(**changes))


def test_a_paid_call_is_booked_though_its_texts_hold_what_the_database_cannot() -> None:
    fact = read(call(provider_response_id="a\0b", error_type="\0", tags={"a": "x\0", "b": "y\\u0000"}))
    assert (fact.provider_response_id, fact.error_type) == ("a\ufffdb", "\ufffd")
    assert json.loads(str(fact.tags)) == {"a": "x\ufffd", "b": "y\\u0000"}


DEEP = b'{"a":' * 3_000 + b"1" + b"}" * 3_000


@pytest.mark.parametrize(
    "value", [None, b"", b"null", b"[]", b"\xff\xfe", b'{"call_id": "\xc3("}', b"{" * 10_000, DEEP, b'{"tags":' + DEEP]
)
def test_what_is_no_json_object_is_refused(value: bytes | None) -> None:
    with pytest.raises(Unreadable):
        read_fact(record(value), RETENTION_DAYS)


@pytest.mark.parametrize("ce_type", [b"llm.call.recorded.v2", b"chat.completed.v1", b"\xff"])
def test_another_type_or_version_is_refused(ce_type: bytes) -> None:
    with pytest.raises(Unreadable, match="ce_type"):
        read_fact(record(encode(call()), headers=(("ce_type", ce_type),)), RETENTION_DAYS)


json_values = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
)


@given(name=st.sampled_from(sorted(LlmCallRecorded.model_fields)), value=json_values)
def test_nothing_is_read_that_the_schema_refuses(name: str, value: object) -> None:
    body = encode({**call(), name: value})
    try:
        read_fact(record(body), RETENTION_DAYS)
    except Unreadable:
        return
    try:
        LlmCallRecorded.model_validate_json(body)
    except ValidationError as error:
        pytest.fail(f"{name}={value!r} is read but the schema says {error}")
