"""Records of `trace.spans` for tests."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import uuid4

from observatory.adapters.kafka import Publisher
from schemas.envelope import spans_id
from schemas.spans import Span, SpansReceived
from schemas.topics import TRACE_SPANS
from tests.streams.engine.ground import StreamGround

NOW_NS = time.time_ns()


def span(number: int, parent: int | None = None, *, start_ms: int = 0, took_ms: int = 10, **more: Any) -> Span:
    """A span of a minute ago that began `start_ms` into it."""
    start_ns = NOW_NS - 60_000_000_000 + start_ms * 1_000_000
    return Span(
        span_id=f"{number:016x}",
        parent_span_id=None if parent is None else f"{parent:016x}",
        name=more.pop("name", f"span {number}"),
        start_unix_nano=str(start_ns),
        end_unix_nano=str(start_ns + took_ms * 1_000_000 + 1),
        **more,
    )


def received(
    *spans: Span, trace_id: str = "a" * 32, tenant_id: str | None = "acme", service: str = "app"
) -> SpansReceived:
    """A record of them."""
    return SpansReceived(trace_id=trace_id, tenant_id=tenant_id, service=service, spans=list(spans))


def model_call(number: int, parent: int | None, cost_usd: str | None, **more: Any) -> Span:
    """A call to a model that is accounted: 7 tokens in, 3 out."""
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "sim",
        "gen_ai.request.model": "gpt",
        "gen_ai.response.model": "gpt-1",
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3,
    }
    more |= {"attributes": attributes, "call_id": uuid4(), "kind": "client", "cost_usd": cost_usd}
    return span(number, parent, **more)


async def publish(ground: StreamGround, *events: SpansReceived) -> None:
    """As our processes do."""
    publisher = Publisher(ground.settings.kafka, "test")
    await publisher.start()
    sent = [
        await publisher.publish(
            TRACE_SPANS, event.trace_id, event, spans_id(event.trace_id, [s.span_id for s in event.spans])
        )
        for event in events
    ]
    await asyncio.gather(*sent)
    await publisher.stop()
