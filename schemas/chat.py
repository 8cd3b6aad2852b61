"""Events of chat: what a client asks (`chat.requests`) and what it hears back (`chat.responses`)."""

from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from schemas.base import Body, Event, Name, Tags, Time, Usd
from schemas.calls import CostState, Latency, Usage

JsonObject = dict[str, Any]
"""A JSON object in the shape of OpenAI's chat completions (a tool, a tool call, a response format), passed through."""

MAX_MESSAGES = 4096
DEFAULT_TENANT = "default"


class Message(Body):
    """One message in the shape of OpenAI's chat completions; fields that we do not name are passed through."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False, frozen=True)

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[JsonObject] | None = None
    name: str | None = None
    tool_calls: list[JsonObject] | None = None
    tool_call_id: str | None = None


class ChatRequested(Event):
    """A client asks for one answer. `request_id` is its idempotency key within its tenant."""

    ce_type: ClassVar[str] = "chat.requested.v1"

    request_id: UUID
    model: Name
    messages: Annotated[list[Message], Field(min_length=1, max_length=MAX_MESSAGES)]
    tenant_id: Name = DEFAULT_TENANT
    user_id: Name | None = None
    conversation_id: Name | None = None
    provider: Name | None = None
    stream: bool = False
    use_history: bool = False
    max_output_tokens: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    tools: list[JsonObject] | None = None
    tool_choice: str | JsonObject | None = None
    response_format: JsonObject | None = None
    parameters: JsonObject | None = None
    deadline: Time | None = None
    api_key_id: Name | None = None
    tags: Tags | None = None

    @model_validator(mode="after")
    def _history_needs_a_conversation(self) -> "ChatRequested":
        if self.use_history and self.conversation_id is None:
            raise ValueError("use_history needs a conversation_id")
        return self


class ChatDelta(Event):
    """A piece of a streamed answer; `seq` counts from 0 within the attempt."""

    ce_type: ClassVar[str] = "chat.delta.v1"

    request_id: UUID
    tenant_id: Name = DEFAULT_TENANT
    conversation_id: Name | None = None
    attempt: Annotated[int, Field(ge=1)]
    seq: Annotated[int, Field(ge=0)]
    text: str
    tool_calls: list[JsonObject] | None = None


class ChatRestarted(Event):
    """What was shown of earlier attempts is void; the answer starts again with `attempt`."""

    ce_type: ClassVar[str] = "chat.restarted.v1"

    request_id: UUID
    tenant_id: Name = DEFAULT_TENANT
    conversation_id: Name | None = None
    attempt: Annotated[int, Field(ge=1)]
    reason: str


class ChatCompleted(Event):
    """The one good outcome of a request. `cost_usd` covers all its attempts; null when one of them has no price."""

    ce_type: ClassVar[str] = "chat.completed.v1"

    request_id: UUID
    tenant_id: Name = DEFAULT_TENANT
    conversation_id: Name | None = None
    message: Message
    finish_reason: str
    provider: Name
    model: Name
    usage: Usage | None = None
    cost_usd: Usd | None = None
    cost_state: CostState
    attempts: Annotated[int, Field(ge=1)]
    latency: Latency
    completed_at: Time
    provider_fields: JsonObject | None = None


class BudgetLeft(Body):
    """The budget that refused a request: its limit, what is left of it, and when it resets (never, without a time)."""

    budget_id: str
    limit_usd: Usd
    left_usd: Usd
    resets_at: Time | None = None


class ChatError(Body):
    """Why a request failed, for a program (`code`) and for a person (`message`); `budget` with `budget_exceeded`."""

    code: str
    message: str
    retryable: bool
    provider_status: int | None = None
    budget: BudgetLeft | None = None


class ChatFailed(Event):
    """The one bad outcome of a request; what its attempts cost is still said."""

    ce_type: ClassVar[str] = "chat.failed.v1"

    request_id: UUID
    tenant_id: Name = DEFAULT_TENANT
    conversation_id: Name | None = None
    error: ChatError
    attempts: Annotated[int, Field(ge=0)]
    cost_usd: Usd | None = None
    failed_at: Time
