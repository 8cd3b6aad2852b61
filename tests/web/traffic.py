"""Calls as workers record them, made up: a period to compare with, and what the demo has not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from observatory.adapters.kafka import new_producer, topic_name
from observatory.adapters.settings import KafkaSettings
from schemas.calls import LlmCallRecorded
from schemas.topics import LLM_CALLS

Body = dict[str, object]


def made_up() -> Iterator[Body]:
    """Sixty calls between 47 and 25 hours ago, and two of ten minutes ago of a model that has no price."""
    now = datetime.now(UTC)
    for number in (100, 101):
        began = now - timedelta(minutes=10)
        yield a_call(number, began, tenant_id="initech", user_id="initech-user-1", model="priceless", cost_usd=None)
    for number in range(60):
        tenant = ("acme", "globex", "initech")[number % 3]
        yield a_call(
            number,
            now - timedelta(hours=47) + timedelta(minutes=22 * number),
            tenant_id=tenant,
            user_id=f"{tenant}-user-{number % 7}",
            model=("gpt-4o-2024-08-06", "gpt-4.1-mini-2025-04-14")[number % 2],
            cost_usd=f"0.00{number + 100}7",
        )


def a_call(number: int, started: datetime, *, tenant_id: str, user_id: str, model: str, cost_usd: str | None) -> Body:
    """One that went well; `number` makes its ids."""
    return {
        "call_id": str(UUID(int=number + 1, version=4)),
        "revision": 1,
        "request_id": str(UUID(int=number + 10_001, version=4)),
        "attempt": 1,
        "source": "worker",
        "tenant_id": tenant_id,
        "user_id": user_id,
        "conversation_id": f"before-{number}",
        "operation": "chat",
        "provider": "sim-openai",
        "request_model": model,
        "response_model": model,
        "status": "ok",
        "usage": {"uncached_input_tokens": 400 + number, "output_tokens": 90},
        "usage_source": "provider",
        "cost_usd": cost_usd,
        "cost_state": "settled",
        "price_version": "test",
        "started_at": started.isoformat(),
        "ended_at": (started + timedelta(seconds=1)).isoformat(),
        "latency": {"queue_ms": 1.0, "policy_ms": 0.5, "ttft_ms": 200.0 + number, "total_ms": 900.0 + number},
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
