"""Many different `llm.call.recorded` events as a working system writes them, made and published fast.

They follow each other at 500 a second of event time up to now, from 20 tenants and 4 models, priced to the last digit.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from loadtests.bench.publishing import BATCH, Event, publish
from schemas.base import rfc3339
from schemas.calls import LlmCallRecorded
from schemas.envelope import CONTENT_TYPE, SPEC_VERSION, Headers
from schemas.topics import LLM_CALLS

TENANTS = 20
TENANT_PREFIX = "bench-"
APART = timedelta(milliseconds=2)
CONVERSATION = 8
MODELS = (
    # name, and what a token of input and of output costs in units of 10^-8 USD
    ("gpt-4o-mini", 15, 60),
    ("gpt-4o", 250, 1000),
    ("gpt-4.1-mini", 40, 160),
    ("gpt-4.1-nano", 10, 40),
)

_HEADERS: Headers = (
    ("ce_specversion", SPEC_VERSION),
    ("ce_type", LlmCallRecorded.ce_type.encode()),
    ("ce_source", b"/llm-observatory/bench"),
    ("content-type", CONTENT_TYPE),
)


def call_events(count: int, until: datetime, *, in_conversations: bool = False) -> Iterator[Event]:
    """`count` events with ids of their own, the last one started at `until`.

    With `in_conversations` eight in a row are of one conversation and of an experiment with two variants.
    """
    for number in range(count):
        yield _event(number, until - (count - number - 1) * APART, in_conversations=in_conversations)


async def publish_events(kafka: str, count: int, *, in_conversations: bool = False) -> None:
    """Publishes that many, spread evenly over the partitions of `llm.calls`; acknowledged when it returns."""
    await publish(kafka, LLM_CALLS, call_events(count, datetime.now(UTC), in_conversations=in_conversations))


def _event(number: int, started_at: datetime, *, in_conversations: bool) -> Event:
    model, input_price, output_price = MODELS[number % len(MODELS)]
    uncached, cached, output = 100 + number % 3000, 128 * (number % 3), 20 + number % 400
    # A cached token costs half of an uncached one, so the sum is in units of 5 x 10^-9 USD.
    nano = 5 * (2 * input_price * uncached + input_price * cached + 2 * output_price * output)
    call, request, ce_id = _uuid_text(), _uuid_text(), _uuid_text()
    total_ms = 300 + number % 4000
    tenant = number // len(MODELS) % TENANTS
    started, ended = rfc3339(started_at), rfc3339(started_at + timedelta(milliseconds=total_ms))
    more = ""
    if in_conversations:
        conversation = number // BATCH * BATCH // CONVERSATION + number % BATCH // CONVERSATION
        more = (
            f'"conversation_id":"conversation-{conversation}","experiment_id":"bench","variant_id":'
            f'"{"ab"[conversation % 2]}","prompt_version":"v{conversation % 3}",'
        )
    body = (
        f'{{"revision":1,"started_at":"{started}","call_id":"{call}","request_id":"{request}","attempt":1,'
        f'"source":"worker","tenant_id":"{TENANT_PREFIX}{tenant:02d}","user_id":"user-{number % 5000}",'
        f'{more}"operation":"chat","provider":"openai","request_model":"{model}","response_model":"{model}",'
        f'"provider_response_id":"chatcmpl-{request}","status":"ok","usage":{{"uncached_input_tokens":{uncached},'
        f'"cache_read_tokens":{cached},"cache_write_5m_tokens":0,"cache_write_1h_tokens":0,"output_tokens":{output},'
        f'"reasoning_tokens":0}},"usage_source":"provider","cost_usd":"{nano // 10**9}.{nano % 10**9:09d}",'
        f'"cost_state":"settled","price_version":"genai-prices","first_token_at":"{started}",'
        f'"ended_at":"{ended}",'
        f'"latency":{{"queue_ms":1.5,"policy_ms":2.25,"total_ms":{total_ms}.125}},"service_tier":"default"}}'
    )
    headers = (*_HEADERS, ("ce_id", ce_id.encode()), ("ce_time", ended.encode()))
    return request.encode(), body.encode(), headers


def _uuid_text() -> str:
    """A random id, several times as fast as through `UUID`."""
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
