"""The event of accounting: what is known of one call to a provider, one record for each revision (`llm.calls`)."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field, model_validator

from schemas.base import Body, Event, Milliseconds, Name, Tags, Time, Tokens, Usd

CallSource = Literal["worker", "embedding", "otlp"]
Operation = Literal["chat", "embeddings"]
CallStatus = Literal["ok", "error", "cancelled", "unknown", "not_sent"]
UsageSource = Literal["provider", "estimated", "missing"]
CostState = Literal["estimated", "settled", "reconciled"]


class Usage(Body):
    """Disjoint token buckets: a token is counted in one of them only; `reasoning_tokens` are a part of the output."""

    uncached_input_tokens: Tokens = 0
    cache_read_tokens: Tokens = 0
    cache_write_5m_tokens: Tokens = 0
    cache_write_1h_tokens: Tokens = 0
    output_tokens: Tokens = 0
    reasoning_tokens: Tokens = 0
    input_audio_tokens: Tokens | None = None
    output_audio_tokens: Tokens | None = None
    input_image_tokens: Tokens | None = None

    @model_validator(mode="after")
    def _reasoning_is_output(self) -> "Usage":
        if self.reasoning_tokens > self.output_tokens:
            raise ValueError("reasoning_tokens are a part of output_tokens and cannot exceed them")
        return self


class Latency(Body):
    """Milliseconds: published to claimed, claimed to sent, sent to first token, sent to last byte."""

    queue_ms: Milliseconds | None = None
    policy_ms: Milliseconds | None = None
    ttft_ms: Milliseconds | None = None
    total_ms: Milliseconds | None = None


class LlmCallRecorded(Event):
    """What is known of a call; a higher `revision` replaces a lower one.

    `started_at` is the database's time of the attempt and is the same in every revision.
    `experiment_unit` is what was given the variant (a user, a conversation, a request), under that version.
    `cost_usd` is this call's own cost, null when no price is known.
    """

    ce_type: ClassVar[str] = "llm.call.recorded.v1"

    call_id: UUID
    revision: Annotated[int, Field(ge=1)]
    request_id: UUID
    attempt: Annotated[int, Field(ge=1)]
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
    usage: Usage | None = None
    usage_source: UsageSource
    cost_usd: Usd | None = None
    cost_state: CostState
    price_version: str | None = None
    started_at: Time
    first_token_at: Time | None = None
    ended_at: Time | None = None
    latency: Latency | None = None
    tags: Tags | None = None
    api_key_id: Name | None = None
    service_tier: str | None = None
    region: str | None = None
    experiment_id: Name | None = None
    variant_id: Name | None = None
    prompt_version: Name | None = None
    prompt_hash: Name | None = None
    experiment_version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    experiment_unit: Name | None = None
