"""Anthropic's messages and the client for them."""

from collections.abc import Mapping
from typing import Any

import anthropic

from observatory.adapters.providers.anthropic_answers import StreamedMessage, message_answer
from observatory.adapters.providers.anthropic_requests import messages_body
from observatory.adapters.providers.base import ChatAnswer
from observatory.adapters.providers.connection import TELEMETRY_HEADERS, http_client
from observatory.adapters.providers.sdk import SdkProvider, StreamedAnswer
from schemas.chat import ChatRequested, JsonObject

# The SDK's own way to leave a default header out, which the type of its `default_headers` does not know.
_WITHOUT_TELEMETRY: Mapping[str, Any] = dict.fromkeys(TELEMETRY_HEADERS, anthropic.Omit())


def anthropic_provider(name: str, *, api_key: str, base_url: str | None, concurrency: int) -> SdkProvider:
    """Anthropic, or whatever speaks its protocol at `base_url`.

    The SDK's own spans are off: beside ours they would count every token twice.
    """
    client = anthropic.AsyncAnthropic(
        api_key=api_key,
        base_url=base_url,
        max_retries=0,
        http_client=http_client(concurrency),
        default_headers=_WITHOUT_TELEMETRY,
        open_telemetry=False,
    )
    return SdkProvider(name, "anthropic", client, Messages())


class Messages:
    """Anthropic's messages, behind the shapes of OpenAI's chat completions."""

    def path(self, request: ChatRequested) -> str:
        """One path for all models."""
        return "/v1/messages"

    def body(self, request: ChatRequested, *, stream: bool) -> JsonObject:
        """The request, translated. Raises `ProviderError` for what Anthropic has no word for."""
        body = messages_body(request)
        return {**body, "stream": True} if stream else body

    def answer(self, body: bytes) -> ChatAnswer:
        """A plain answer, translated."""
        return message_answer(body)

    def streamed(self) -> StreamedAnswer:
        """A new streamed answer."""
        return StreamedMessage()
