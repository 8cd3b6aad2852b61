"""Calls as workers record them, made up: a period to compare with, and what the demo has not."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from observatory.adapters.kafka import new_producer, topic_name
from observatory.adapters.settings import KafkaSettings
from schemas.calls import LlmCallRecorded
from schemas.topics import LLM_CALLS

Body = dict[str, object]


MODELS = (("gpt-4o", 25, 0.9), ("gpt-4.1-mini", 4, 0.5), ("claude-sonnet-4-5", 40, 1.4))
"""What is answered, by which price and how slowly."""


def made_up() -> Iterator[Body]:
    """Calls of the last 47 hours, twice as many in the last 23; and two of ten minutes ago that have no price."""
    now, dice = datetime.now(UTC), random.Random(5)
    for number in (1, 2):
        began = now - timedelta(minutes=10)
        yield a_call(number, began, tenant_id="initech", user_id="initech-user-1", model="priceless", cost_usd=None)
    for number in range(3, 300):
        tenant = dice.choice(("acme", "acme", "globex", "initech"))
        model, price, slow = dice.choice(MODELS)
        hours = dice.choice((0.5, 0.5, 24.5)) + 22.5 * dice.random()
        tokens = dice.randrange(200, 4000)
        yield a_call(
            number,
            now - timedelta(hours=hours),
            tenant_id=tenant,
            user_id=f"{tenant}-user-{dice.randrange(7)}",
            model=model,
            cost_usd=format(Decimal(tokens * price).scaleb(-7), "f"),
            tokens=tokens,
            total_ms=slow * dice.lognormvariate(6.5, 0.6),
        )


def a_call(
    number: int, started: datetime, *, tenant_id: str, user_id: str, model: str, cost_usd: str | None,
    tokens: int = 500, total_ms: float = 900.0,
) -> Body:  # fmt: skip
    """One that went well; `number` makes its ids."""
    return {
        "call_id": str(UUID(int=number + 1, version=4)),
        "revision": 1,
        "request_id": str(UUID(int=number + 10_001, version=4)),
        "attempt": 1,
        "source": "worker",
        "tenant_id": tenant_id,
        "user_id": user_id,
        "conversation_id": f"talk-{number // 6}",
        "operation": "chat",
        "provider": "sim-openai",
        "request_model": model,
        "response_model": model,
        "status": "ok",
        "usage": {"uncached_input_tokens": tokens, "output_tokens": tokens // 8},
        "usage_source": "provider",
        "cost_usd": cost_usd,
        "cost_state": "settled",
        "price_version": "test",
        "started_at": started.isoformat(),
        "ended_at": (started + timedelta(milliseconds=total_ms)).isoformat(),
        "latency": {"queue_ms": 1.0, "policy_ms": 0.5, "ttft_ms": total_ms / 3, "total_ms": total_ms},
        "tags": {"source": "before"},
    }


async def publish_calls(environment: Mapping[str, str], calls: Iterable[Body]) -> None:
    """Appends them to `llm.calls` and returns when the broker has them."""
    kafka = KafkaSettings.model_validate(
        {name: environment[name] for name in ("OBSERVATORY_KAFKA", "OBSERVATORY_TOPIC_PREFIX")}
    )
    producer = new_producer(kafka, "test", linger_ms=5)
    await producer.start()
    headers = [("ce_type", LlmCallRecorded.ce_type.encode())]
    topic = topic_name(kafka, LLM_CALLS)
    sent = [
        await producer.send(
            topic, json.dumps(call).encode(), key=str(call["conversation_id"]).encode(), headers=headers
        )
        for call in calls
    ]
    await asyncio.gather(*sent)
    await producer.stop()
