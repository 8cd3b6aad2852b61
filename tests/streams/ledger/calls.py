"""Bodies of `llm.call.recorded` as a producer writes them, and their sums by another way than the ledger's."""

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from aiokafka.structs import ConsumerRecord

from observatory.adapters.kafka import Record
from schemas.envelope import Headers

Body = dict[str, object]

NOW = datetime.now(UTC).replace(microsecond=123_456)
TOKENS = (
    "uncached_input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "output_tokens",
    "reasoning_tokens",
)  # fmt: skip
CE_TYPE = ("ce_type", b"llm.call.recorded.v1")

_random = random.Random(4)


def begin_anew(seed: str) -> None:
    """What follows depends on the seed alone, not on what was made before."""
    _random.seed(seed)


def new_id() -> str:
    return str(UUID(int=_random.getrandbits(128), version=4))


def call(**changes: object) -> Body:
    """A good body, every field set; a change to None takes a field away."""
    started = NOW - timedelta(seconds=_random.randrange(180))
    body: Body = {
        "call_id": new_id(), "revision": 1, "request_id": new_id(), "attempt": 1, "source": "worker",
        "tenant_id": f"tenant-{_random.randrange(3)}", "user_id": "mára", "conversation_id": new_id(),
        "operation": "chat", "provider": "sim-openai", "request_model": "gpt-4o-mini",
        "response_model": _random.choice(["gpt-4o-mini-2024-07-18", "gpt-4o-2024-11-20"]),
        "provider_response_id": "chatcmpl-1", "status": "ok",
        "usage": dict(zip(TOKENS, (_random.randrange(3000), 100, 20, 30, 400, _random.randrange(400)), strict=True)),
        "usage_source": "provider", "cost_usd": f"{Decimal(_random.randrange(10**9)) / 10**11:f}",
        "cost_state": "settled", "price_version": "genai-prices 1", "started_at": started.isoformat(),
        "first_token_at": (started + timedelta(seconds=1)).isoformat(),
        "ended_at": (started + timedelta(seconds=2)).isoformat(),
        "latency": {"queue_ms": 1.5, "policy_ms": 0.25, "ttft_ms": _random.uniform(1, 900), "total_ms": 900.5},
        "tags": {"team": "search"}, "api_key_id": "key-1", "service_tier": "default", "region": "local",
        "experiment_id": "e", "variant_id": "v", "prompt_version": "p1",
        "prompt_hash": "5e884898da28047151d0e56f8dc62927",
    }  # fmt: skip
    return {name: value for name, value in {**body, **changes}.items() if value is not None}


def adjusted(**changes: object) -> Body:
    """A good body of `cost.adjusted`; a change to None takes a field away. It has a call_id for its key alone."""
    body: Body = {
        "adjustment_id": new_id(), "call_id": new_id(), "tenant_id": "acme", "provider": "openai",
        "model": "gpt-4o-mini", "day": "2026-10-03", "booked_month": "2026-11-01", "amount_usd": "-0.00012345",
        "reason": "less billed than booked", "export_id": "sha256:1", "adjusted_at": NOW.isoformat(),
    }  # fmt: skip
    return {name: value for name, value in {**body, **changes}.items() if value is not None}


def encode(body: Body) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def record(value: bytes | None, headers: Headers = (CE_TYPE,)) -> Record:
    """A record as the consumer hands it out, appended now."""
    appended_ms = int(NOW.timestamp() * 1000)
    size = len(value or b"")
    return ConsumerRecord("llm.calls", 0, 0, appended_ms, 1, None, value, None, 0, size, headers)


Sums = dict[tuple[object, ...], tuple[object, ...]]


def expected_sums(bodies: Iterable[Body]) -> Sums:
    """(minute, tenant, provider, model, operation) -> (calls, errors, unpriced, tokens…, cost), of newest revisions."""
    totals: dict[tuple[object, ...], Counter[str]] = {}
    costs: dict[tuple[object, ...], Decimal] = {}
    for body in _newest(bodies):
        started = datetime.fromisoformat(str(body["started_at"])).astimezone(UTC)
        model = body.get("response_model") or body["request_model"]
        key = (started.replace(second=0, microsecond=0), body["tenant_id"], body["provider"], model, body["operation"])
        usage = body.get("usage") or {}
        assert isinstance(usage, dict)
        counts = Counter(calls=1, errors=body["status"] == "error", unpriced="cost_usd" not in body, **usage)
        totals[key] = totals.get(key, Counter()) + counts
        costs[key] = costs.get(key, Decimal(0)) + Decimal(str(body.get("cost_usd", "0")))
    return {
        key: (*(sums[name] for name in ("calls", "errors", "unpriced", *TOKENS)), costs[key])
        for key, sums in totals.items()
    }


def _newest(bodies: Iterable[Body]) -> Iterator[Body]:
    newest: dict[object, Body] = {}
    for body in sorted(bodies, key=lambda body: int(str(body["revision"])), reverse=True):
        newest.setdefault(body["call_id"], body)
    yield from newest.values()
