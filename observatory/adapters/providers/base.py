"""What a provider of chat answers is to the rest of the system: one call in, one answer, a stream or one error out.

A provider never retries: an attempt is one call, and whether to make another is the caller's rule. Every failure of
the call itself is a `ProviderError` that says whether it may have been billed.
"""

from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID

from schemas.calls import Usage
from schemas.chat import ChatRequested, JsonObject

ProviderKind = Literal["openai", "azure", "anthropic"]
"""Which protocol a provider speaks and which price table it is costed by."""

Billing = Literal["none", "unknown"]
"""`none`: surely not billed (refused with a status, never sent); `unknown`: it may have been served."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatCall:
    """One attempt. `request.messages` are the whole prompt; `timeout_s` is the budget of the whole call.

    `traceparent`: the attempt's own span.
    """

    call_id: UUID
    request_id: UUID
    attempt: int
    request: ChatRequested
    timeout_s: float
    traceparent: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatAnswer:
    """A whole answer in the shape of OpenAI's chat completions, whoever gave it.

    `usage` is None when the provider did not say, or said numbers that contradict each other (the raw ones are then
    still in `provider_fields`).
    """

    message: JsonObject
    finish_reason: str
    response_model: str
    response_id: str | None
    usage: Usage | None
    service_tier: str | None
    provider_fields: JsonObject


@dataclass(frozen=True, slots=True)
class ChatChunk:
    """A piece of a streamed answer; `tool_calls` are deltas in OpenAI's shape."""

    text: str
    tool_calls: list[JsonObject] | None = None


class ProviderError(Exception):
    """A call failed. `usage`, `service_tier` and `received_text` are what was learned before it went wrong.

    `unfinished_output` is all that had come of an output of which `usage` does not hold the final count.
    """

    def __init__(
        self,
        *,
        error_type: str,
        message: str,
        billing: Billing,
        retryable: bool,
        status: int | None = None,
        retry_after_s: float | None = None,
        usage: Usage | None = None,
        service_tier: str | None = None,
        received_text: str = "",
        unfinished_output: str = "",
    ) -> None:
        super().__init__(f"{error_type}: {message}")
        self.error_type = error_type
        self.message = message
        self.billing = billing
        self.retryable = retryable
        self.status = status
        self.retry_after_s = retry_after_s
        self.usage = usage
        self.service_tier = service_tier
        self.received_text = received_text
        self.unfinished_output = unfinished_output


def output_text(text: str, tool_calls: Iterable[object] | None) -> str:
    """What is billed as output of a text and tool calls in OpenAI's shape, or pieces of these, whatever they hold."""
    pieces = [text]
    for call in tool_calls or ():
        called = (call.get("function") or call.get("custom")) if isinstance(call, dict) else None
        if isinstance(called, dict):
            pieces += [piece for part in ("name", "arguments", "input") if isinstance(piece := called.get(part), str)]
    return "".join(pieces)


class LLMProvider(Protocol):
    """A configured provider. `name` is what requests and facts call it."""

    @property
    def name(self) -> str:
        """As in requests and facts, for example `openai` or `sim-openai`."""

    @property
    def kind(self) -> ProviderKind:
        """The protocol and the price table."""

    async def chat(self, call: ChatCall) -> ChatAnswer:
        """The whole answer. Raises `ProviderError`."""

    def stream_chat(self, call: ChatCall) -> AsyncGenerator[ChatChunk | ChatAnswer, None]:
        """Chunks as they come; the last item is the whole answer. Raises `ProviderError`."""

    async def close(self) -> None:
        """Closes the connections."""
