"""Bodies of `/api/v1/calls`: single calls to providers, as the ledger knows them."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from schemas.base import Body, Milliseconds, Time, Usd
from schemas.http_analytics_calls import CallParameters
from schemas.http_quality import TokenSums
from schemas.spans import SpanId, TraceId

CallOrder = Literal["latest", "cost", "latency", "tokens"]


class CallListParameters(CallParameters):
    """Which calls, and what comes first."""

    order: Annotated[
        CallOrder, Field(description="What comes first: the latest, dearest, slowest, those with most tokens.")
    ] = "latest"


class CallView(Body):
    """What is known of a call.

    `model` is as the provider answered, else as asked. `cost_usd` is null when no price is known. `queue_ms`: published
    to claimed; `policy_ms`: claimed to sent; `ttft_ms`: sent to the first token; `total_ms`: sent to the last byte.
    """

    call_id: UUID
    revision: int
    request_id: UUID
    attempt: int
    source: str
    tenant_id: str
    user_id: str | None
    conversation_id: str | None
    api_key_id: str | None
    operation: str
    provider: str
    model: str
    request_model: str
    status: str
    error_type: str | None
    usage_source: str
    cost_usd: Usd | None
    cost_state: str
    price_version: str | None
    tokens: TokenSums
    started_at: Time
    ended_at: Time | None
    queue_ms: Milliseconds | None
    policy_ms: Milliseconds | None
    ttft_ms: Milliseconds | None
    total_ms: Milliseconds | None
    tags: dict[str, str] | None
    service_tier: str | None
    region: str | None
    experiment_id: str | None
    variant_id: str | None
    prompt_version: str | None


class CallDetail(Body):
    """A call, and all calls of its request by attempt, itself among them.

    `trace_id`: the trace that it was recorded in, and `span_id` its span there; null while nothing of that has come.
    """

    call: CallView
    attempts: list[CallView]
    trace_id: TraceId | None
    span_id: SpanId | None
    watermark: Time | None
