"""OpenAI's chat completions, and Azure's, which differ in where the model's name is and in a stream's first event."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from loadtests.simulator import answers
from loadtests.simulator.refusals import Refusal
from loadtests.simulator.service import Reply, StreamablePrompt, Tool, decode, event

_Positive = Annotated[int, msgspec.Meta(ge=1)]


class _Part(msgspec.Struct):
    type: str
    text: str = ""


class _Message(msgspec.Struct):
    role: Literal["developer", "system", "user", "assistant", "tool", "function"]
    content: str | list[_Part] | None = None

    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or ""


class _Function(msgspec.Struct):
    name: str
    parameters: dict[str, object] = {}


class _Tool(msgspec.Struct):
    type: str
    function: _Function | None = None


class _JsonSchema(msgspec.Struct):
    name: str
    schema: dict[str, object] = {}


class _ResponseFormat(msgspec.Struct):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _JsonSchema | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool = False


class _Body(msgspec.Struct):
    messages: Annotated[list[_Message], msgspec.Meta(min_length=1)]
    model: str | None = None
    n: int | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: _Positive | None = None
    max_completion_tokens: _Positive | None = None
    tools: list[_Tool] | None = None
    response_format: _ResponseFormat | None = None


_decoder = msgspec.json.Decoder(_Body)


def read(body: bytes, deployment: str | None) -> "ChatPrompt":
    """A chat completion request; an Azure deployment stands for the model. Raises Refusal (400)."""
    asked = decode(_decoder, body)
    model = asked.model if deployment is None else deployment
    if not model:
        raise Refusal(400, "you must provide a model parameter")
    if asked.n is not None and asked.n != 1:
        raise Refusal(400, "the simulator makes one choice: n must be 1")
    if asked.stream_options is not None and not asked.stream:
        raise Refusal(400, "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
    return ChatPrompt(
        model=model,
        input_tokens=answers.estimated_tokens(sum(len(message.text()) for message in asked.messages)),
        text=_last_user_text(asked.messages),
        stream=bool(asked.stream),
        output_cap=asked.max_completion_tokens or asked.max_tokens,
        tool=_first_tool(asked.tools),
        json_schema=_json_schema(asked.response_format),
        include_usage=asked.stream_options is not None and asked.stream_options.include_usage,
        azure=deployment is not None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatPrompt(StreamablePrompt):
    """A chat completion to be answered."""

    include_usage: bool
    azure: bool

    def answer(self, reply: Reply) -> bytes:
        choice = {
            "index": 0,
            "message": {"role": "assistant", "refusal": None, "annotations": [], **_content(reply)},
            "logprobs": None,
            "finish_reason": _finish_reason(reply),
        }
        body = {**_common(reply, "chat.completion"), "choices": [choice]}
        if reply.show_usage:
            body["usage"] = usage_body(reply)
        return msgspec.json.encode(body)

    def stream_head(self, reply: Reply) -> bytes:
        delta: dict[str, object] = {"role": "assistant", "content": "", "refusal": None}
        if reply.tool is not None:
            delta = {"role": "assistant", "content": None, "tool_calls": [_call(reply, reply.tool, "")]}
        head = self._chunk(reply, delta)
        return _azure_filter_event() + head if self.azure else head

    def stream_chunk(self, reply: Reply, piece: answers.Piece) -> bytes:
        if reply.tool is None:
            return self._chunk(reply, {"content": piece.text})
        return self._chunk(reply, {"tool_calls": [{"index": 0, "function": {"arguments": piece.text}}]})

    def stream_tail(self, reply: Reply) -> bytes:
        tail = self._chunk(reply, {}, _finish_reason(reply))
        if self.include_usage and reply.show_usage:
            body = {**_common(reply, "chat.completion.chunk"), "choices": [], "usage": usage_body(reply)}
            tail += event(body)
        return tail + b"data: [DONE]\n\n"

    def _chunk(self, reply: Reply, delta: dict[str, object], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        body = {**_common(reply, "chat.completion.chunk"), "choices": [choice]}
        if self.include_usage:
            body["usage"] = None
        return event(body)


def usage_body(reply: Reply) -> dict[str, object]:
    """OpenAI's usage: prompt tokens include the cached ones, completion tokens the reasoning."""
    usage = reply.usage
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _common(reply: Reply, kind: str) -> dict[str, object]:
    return {
        "id": reply.id,
        "object": kind,
        "created": reply.created_s,
        "model": reply.model,
        "service_tier": "default",
        "system_fingerprint": f"fp_{zlib.crc32(reply.model.encode()):08x}",
    }


def _content(reply: Reply) -> dict[str, object]:
    text = "".join(reply.parts)
    if reply.tool is None:
        return {"content": text}
    return {"content": None, "tool_calls": [_call(reply, reply.tool, text, with_index=False)]}


def _call(reply: Reply, tool: Tool, arguments: str, *, with_index: bool = True) -> dict[str, object]:
    call: dict[str, object] = {"index": 0} if with_index else {}
    call["id"] = "call_" + reply.id[-24:]
    call["type"] = "function"
    call["function"] = {"name": tool.name, "arguments": arguments}
    return call


def _finish_reason(reply: Reply) -> str:
    if reply.capped:
        return "length"
    return "stop" if reply.tool is None else "tool_calls"


def _last_user_text(messages: Sequence[_Message]) -> str:
    return next((message.text() for message in reversed(messages) if message.role == "user"), "")


def _first_tool(tools: list[_Tool] | None) -> Tool | None:
    functions = [tool.function for tool in tools or [] if tool.function is not None]
    return Tool(functions[0].name, functions[0].parameters) if functions else None


def _json_schema(wanted: _ResponseFormat | None) -> dict[str, object] | None:
    if wanted is None or wanted.type == "text":
        return None
    return wanted.json_schema.schema if wanted.json_schema is not None else {}


def _azure_filter_event() -> bytes:
    safe = {"filtered": False, "severity": "safe"}
    results = {"hate": safe, "self_harm": safe, "sexual": safe, "violence": safe}
    return event(
        {
            "id": "",
            "object": "",
            "created": 0,
            "model": "",
            "choices": [],
            "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": results}],
        }
    )
