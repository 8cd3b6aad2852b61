"""What is booked of a call that failed, from what had been learned of it."""

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from observatory.adapters.prices import SHIPPED_VERSION, shipped_book
from observatory.rules.attempts import AttemptResult
from schemas.calls import Usage
from schemas.chat import JsonObject
from tests.observatory.adapters.providers.calls import answering, asked
from tests.observatory.adapters.providers.test_answers import MESSAGE, says, stream_of
from workers.chat.attempt import Caller, Failed, Sending

STARTED_AT = datetime(2026, 11, 1, 12, tzinfo=UTC)


async def booked(kind: str, model: str, *events: JsonObject) -> AttemptResult:
    """What is booked of a stream that is cut behind these events."""

    async def nobody_reads(_: object) -> None:
        return None

    sending = Sending(
        call_id=uuid4(),
        number=1,
        provider=answering(kind, lambda _: says(stream_of(events))),
        request=asked("hello", model=model, stream=True),
        started_at=STARTED_AT,
        deadline=datetime.now(UTC) + timedelta(seconds=60),
        queue_ms=0.0,
        claimed_at=time.monotonic(),
        on_chunk=nobody_reads,
    )
    ended = await Caller(shipped_book()).call(sending)
    assert isinstance(ended, Failed)
    assert ended.error.error_type == "stream_cut"
    return ended.result


@pytest.mark.parametrize(
    ("said", "tier", "cost"),
    [
        ({"speed": "fast"}, "fast", "0.02005"),
        ({"service_tier": "batch"}, "batch", "0.0050125"),
        ({"service_tier": "standard"}, "standard", "0.010025"),
    ],
)
async def test_a_cut_stream_is_estimated_at_the_price_of_the_tier_that_it_ran_in(
    said: JsonObject, tier: str, cost: str
) -> None:
    usage = {"input_tokens": 2000, "output_tokens": 1, **said}
    started = {**MESSAGE, "content": [], "stop_reason": None, "usage": usage}
    result = await booked("anthropic", "claude-opus-5", {"type": "message_start", "message": started})
    assert result.usage == Usage(uncached_input_tokens=2000, output_tokens=1)
    assert (result.service_tier, result.cost_state) == (tier, "estimated")
    assert (result.cost.usd, result.cost.price_version) == (Decimal(cost), SHIPPED_VERSION)


async def test_a_cut_stream_that_told_no_tier_is_estimated_as_standard_service() -> None:
    chunk = {"model": "gpt-4o", "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}]}
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
    result = await booked("openai", "gpt-4o", {**chunk, "usage": usage})
    # 9 * 2.50 / 1000000 + 1 * 10.00 / 1000000
    assert (result.service_tier, result.cost.usd) == (None, Decimal("0.0000325"))


async def test_a_cut_stream_of_priority_service_keeps_its_tier() -> None:
    chunk = {"model": "gpt-4o", "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}]}
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
    result = await booked("openai", "gpt-4o", {**chunk, "usage": usage, "service_tier": "priority"}, chunk)
    # 9 * 4.25 / 1000000 + 1 * 17.00 / 1000000
    assert (result.service_tier, result.cost.usd) == ("priority", Decimal("0.00005525"))
