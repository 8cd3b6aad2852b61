"""Bodies of the HTTP interface under `/api/v1`. What a client sends may hold no unknown field."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from schemas.base import Body, Name, Tags, Time, Usd
from schemas.chat import MAX_MESSAGES, JsonObject, Message

Title = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=r"^[^\x00]*$")]


class HttpBody(Body):
    """A body that a client sends."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)


class CreateConversation(HttpBody):
    """A new conversation; without `conversation_id` it gets one."""

    conversation_id: Name | None = None
    title: Title | None = None
    user_id: Name | None = None


class ChatOptions(HttpBody):
    """What may be said of any chat request. `request_id` may come as `Idempotency-Key` instead."""

    model: Name
    request_id: UUID | None = None
    user_id: Name | None = None
    provider: Name | None = None
    max_output_tokens: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    tools: list[JsonObject] | None = None
    tool_choice: str | JsonObject | None = None
    response_format: JsonObject | None = None
    parameters: JsonObject | None = None
    deadline: Time | None = None
    tags: Tags | None = None


class SendChat(ChatOptions):
    """A chat request; with `use_history` its messages are the new turn of the conversation."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=MAX_MESSAGES)]
    conversation_id: Name | None = None
    use_history: bool = False

    @model_validator(mode="after")
    def _history_needs_a_conversation(self) -> "SendChat":
        if self.use_history and self.conversation_id is None:
            raise ValueError("use_history needs a conversation_id")
        return self


class PostMessage(ChatOptions):
    """The next message of a conversation, answered with its whole history in view."""

    content: str | list[JsonObject]
    stream: bool = False


class ConversationView(Body):
    """A conversation; `updated_at` is when it last got a turn or was asked something."""

    conversation_id: str
    title: str | None
    user_id: str | None
    created_at: Time
    updated_at: Time


class ConversationPage(Body):
    """Latest first; `next_cursor` is null on the last page."""

    conversations: list[ConversationView]
    next_cursor: str | None


class HistoryMessage(Body):
    """A message of a conversation, with the turn and the request that it belongs to."""

    turn: int
    request_id: UUID
    created_at: Time
    message: JsonObject


class HistoryPage(Body):
    """Oldest first; `next_cursor` is null on the last page."""

    conversation_id: str
    messages: list[HistoryMessage]
    next_cursor: str | None


class Accepted(Body):
    """A request that Kafka has; where its state and its events are."""

    request_id: UUID
    status_url: str
    events_url: str


class AttemptView(Body):
    """One attempt of a request; `cost_usd` is null when no price is known."""

    attempt: int
    call_id: UUID
    provider: str
    model: str
    status: str
    cost_usd: Usd | None
    cost_state: str
    started_at: Time


class RequestView(Body):
    """How a request is doing.

    `unknown`: no worker has claimed it, so it waits in the queue or was never sent. `outcome` is the body of
    `chat.completed` or `chat.failed`.
    """

    request_id: UUID
    state: Literal["unknown", "claimed", "completed", "failed"]
    conversation_id: str | None = None
    published_at: Time | None = None
    claimed_at: Time | None = None
    finished_at: Time | None = None
    attempts: list[AttemptView] = Field(default_factory=list)
    outcome: JsonObject | None = None


class FieldError(Body):
    """One fault of a body: where (JSON pointer, or the line of a file) and what."""

    pointer: str | None = None
    line: int | None = None
    detail: str


class Problem(Body):
    """RFC 9457. With `budget_exceeded` the budget that refused (see `BudgetLeft`)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str | None = None
    errors: list[FieldError] | None = None
    budget_id: str | None = None
    limit_usd: Usd | None = None
    left_usd: Usd | None = None
    resets_at: Time | None = None
