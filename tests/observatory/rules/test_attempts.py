"""What is published of an attempt is a valid `llm.call.recorded`, and a request costs what its attempts cost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from observatory.rules.attempts import (
    AttemptIdentity,
    AttemptResult,
    Cost,
    not_sent,
    provisional,
    published_record,
    record_json,
    total_cost,
)
from schemas.calls import Latency, LlmCallRecorded, Usage
from schemas.chat import ChatRequested, Message

STARTED = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
REQUEST = ChatRequested(
    request_id=uuid4(),
    model="gpt-4o-mini",
    messages=[Message(role="user", content="x")],
    tenant_id='odd "tenant" 😀',
    user_id="u",
    conversation_id="c",
    tags={"a": "\0"},
    api_key_id="k",
)
IDENTITY = AttemptIdentity(call_id=uuid4(), attempt=2, provider="sim-openai", request=REQUEST)
WHOLE = AttemptResult(
    status="ok",
    usage=Usage(uncached_input_tokens=3, output_tokens=2, input_audio_tokens=1),
    usage_source="provider",
    cost=Cost(usd=Decimal("1.5E-7"), price_version="p1"),
    cost_state="settled",
    response_model="gpt-4o-mini-2024-07-18",
    provider_response_id="id \0",
    service_tier="default",
    first_token_at=STARTED + timedelta(milliseconds=5),
    ended_at=STARTED + timedelta(milliseconds=9),
    latency={"queue_ms": 1.0, "policy_ms": 0.5, "ttft_ms": None, "total_ms": 9.0},
)


def published(result: AttemptResult) -> LlmCallRecorded:
    """As a reader of `llm.calls` gets it."""
    return LlmCallRecorded.model_validate_json(published_record(record_json(IDENTITY, result), 3, STARTED))


def test_a_settled_record_says_all_that_is_known() -> None:
    call = published(WHOLE)
    assert (call.call_id, call.revision, call.started_at, call.attempt) == (IDENTITY.call_id, 3, STARTED, 2)
    assert (call.tenant_id, call.tags, call.api_key_id) == (REQUEST.tenant_id, REQUEST.tags, "k")
    assert (call.cost_usd, call.price_version, call.usage) == (Decimal("0.00000015"), "p1", WHOLE.usage)
    assert call.latency == Latency(queue_ms=1.0, policy_ms=0.5, total_ms=9.0)
    assert (call.provider_response_id, call.first_token_at, call.ended_at) == (
        "id \0",
        WHOLE.first_token_at,
        WHOLE.ended_at,
    )


@pytest.mark.parametrize(
    ("result", "status", "state"),
    [
        (provisional(12, Cost(usd=Decimal("0.1"), price_version="p")), "unknown", "estimated"),
        (provisional(12, Cost(usd=None, price_version=None)), "unknown", "estimated"),
        (not_sent(), "not_sent", "settled"),
    ],
)
def test_what_is_said_of_an_attempt_without_an_end_is_valid(result: AttemptResult, status: str, state: str) -> None:
    call = published(result)
    assert (call.status, call.cost_state, call.cost_usd) == (status, state, result.cost.usd)


def test_costs_are_written_with_all_digits_and_without_exponent() -> None:
    assert '"cost_usd":"0.00000015"' in record_json(IDENTITY, WHOLE)


@pytest.mark.parametrize(
    ("costs", "total"),
    [
        ([], (Decimal(0), "settled")),
        ([(Decimal("0.1"), "settled"), (Decimal("0.2"), "settled")], (Decimal("0.3"), "settled")),
        (
            [(Decimal("0.1"), "settled"), (Decimal("1E-20"), "estimated")],
            (Decimal("0.10000000000000000001"), "estimated"),
        ),
        ([(Decimal("0.1"), "settled"), (None, "settled")], (None, "settled")),
        ([(None, "estimated")], (None, "estimated")),
        ([(Decimal("0.1"), "reconciled")], (Decimal("0.1"), "settled")),
    ],
)
def test_a_request_costs_what_its_attempts_cost(
    costs: list[tuple[Decimal | None, str]], total: tuple[Decimal | None, str]
) -> None:
    assert total_cost(costs) == total
