"""Chat completions as OpenAI and Azure OpenAI speak them, and the clients for both.

The usage of a stream is always asked for, whatever the request says: it is our bill.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import openai

from observatory.adapters.providers.base import ChatAnswer
from observatory.adapters.providers.connection import TELEMETRY_HEADERS, http_client
from observatory.adapters.providers.openai_answers import StreamedCompletion, completion
from observatory.adapters.providers.sdk import SdkProvider, StreamedAnswer
from schemas.chat import ChatRequested, JsonObject, Message

OURS = frozenset({"model", "messages", "stream", "stream_options", "n"})
"""What `parameters` cannot change: who is asked, what, how it is answered, and that the bill is told."""

# The SDK's own way to leave a default header out, which the type of its `default_headers` does not know.
_WITHOUT_TELEMETRY: Mapping[str, Any] = dict.fromkeys(TELEMETRY_HEADERS, openai.Omit())
_CAPS = ("max_tokens", "max_completion_tokens")


def openai_provider(name: str, *, api_key: str, base_url: str | None, concurrency: int) -> SdkProvider:
    """OpenAI, or whatever speaks its protocol at `base_url`."""
    client = openai.AsyncOpenAI(
        api_key=api_key,
        base_url=base_url,
        max_retries=0,
        http_client=http_client(concurrency),
        default_headers=_WITHOUT_TELEMETRY,
    )
    return SdkProvider(name, "openai", client, ChatCompletions())


def azure_provider(name: str, *, api_key: str, endpoint: str, api_version: str, concurrency: int) -> SdkProvider:
    """Azure OpenAI; a request's model is the name of a deployment."""
    client = openai.AsyncAzureOpenAI(
        api_key=api_key,
        azure_endpoint=endpoint,
        api_version=api_version,
        max_retries=0,
        http_client=http_client(concurrency),
        default_headers=_WITHOUT_TELEMETRY,
    )
    return SdkProvider(name, "azure", client, AzureChatCompletions())


class ChatCompletions:
    """OpenAI's chat completions."""

    def path(self, request: ChatRequested) -> str:
        """One path for all models."""
        return "/chat/completions"

    def body(self, request: ChatRequested, *, stream: bool) -> JsonObject:
        """The request's own fields over its `parameters`."""
        body = _parameters(request)
        body["model"] = request.model
        body["messages"] = [_message(message) for message in request.messages]
        if stream:
            body["stream"] = True
            body["stream_options"] = {"include_usage": True}
        return body

    def answer(self, body: bytes) -> ChatAnswer:
        """A plain answer."""
        return completion(body)

    def streamed(self) -> StreamedAnswer:
        """A new streamed answer."""
        return StreamedCompletion()


class AzureChatCompletions(ChatCompletions):
    """Azure names the deployment in the path."""

    def path(self, request: ChatRequested) -> str:
        """The path of the deployment."""
        return f"/deployments/{quote(request.model, safe='')}/chat/completions"


def _parameters(request: ChatRequested) -> JsonObject:
    body = {name: value for name, value in (request.parameters or {}).items() if name not in OURS}
    if request.max_output_tokens is not None:
        for cap in _CAPS:
            body.pop(cap, None)
        body["max_completion_tokens"] = request.max_output_tokens
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.tools:
        body["tools"] = request.tools
    if request.tool_choice is not None:
        body["tool_choice"] = request.tool_choice
    if request.response_format is not None:
        body["response_format"] = request.response_format
    return body


def _message(message: Message) -> JsonObject:
    """As the client gave it. Fields that are null are left out: OpenAI refuses some that its own answers contain."""
    return {name: value for name, value in message if value is not None}
