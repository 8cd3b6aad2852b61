"""Anthropic's messages. Its input tokens exclude what was read from or written to the prompt cache."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from loadtests.simulator import answers
from loadtests.simulator.refusals import Refusal
from loadtests.simulator.service import Reply, StreamablePrompt, Tool, decode, event

_ERROR_TYPES = {
    401: "authentication_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "api_error",
    529: "overloaded_error",
}


class _Block(msgspec.Struct):
    type: str
    text: str = ""
    content: "str | list[_Block] | None" = None


_Content = str | list[_Block]


class _Message(msgspec.Struct):
    role: Literal["user", "assistant"]
    content: _Content


class _Tool(msgspec.Struct):
    name: str
    input_schema: dict[str, object] = {}


class _Body(msgspec.Struct):
    model: Annotated[str, msgspec.Meta(min_length=1)]
    max_tokens: Annotated[int, msgspec.Meta(ge=1)]
    messages: Annotated[list[_Message], msgspec.Meta(min_length=1)]
    system: _Content | None = None
    stream: bool | None = None
    tools: list[_Tool] | None = None


_decoder = msgspec.json.Decoder(_Body)


def read(body: bytes, deployment: str | None) -> "MessagesPrompt":
    """A messages request; there are no deployments. Raises Refusal (400)."""
    asked = decode(_decoder, body)
    texts = [_text(message.content) for message in asked.messages]
    tools = asked.tools or []
    return MessagesPrompt(
        model=asked.model,
        input_tokens=answers.estimated_tokens(sum(map(len, texts)) + len(_text(asked.system))),
        text=_last_user_text(asked.messages),
        stream=bool(asked.stream),
        output_cap=asked.max_tokens,
        tool=Tool(tools[0].name, tools[0].input_schema) if tools else None,
    )


def error(refusal: Refusal) -> bytes:
    """Anthropic's error body."""
    kind = _ERROR_TYPES.get(refusal.status, "invalid_request_error")
    return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": refusal.message}})


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesPrompt(StreamablePrompt):
    """A message to be answered."""

    def answer(self, reply: Reply) -> bytes:
        body = _message(reply, [_block(reply, "".join(reply.parts))], _stop_reason(reply))
        if reply.show_usage:
            body["usage"] = {**_usage(reply), "service_tier": "standard"}
        return msgspec.json.encode(body)

    def stream_head(self, reply: Reply) -> bytes:
        message = _message(reply, [], None)
        if reply.show_usage:
            first = min(1, reply.usage.output_tokens)
            message["usage"] = {**_input_usage(reply), "output_tokens": first, "service_tier": "standard"}
        return (
            _named("message_start", message=message)
            + _named("content_block_start", index=0, content_block=_block(reply, ""))
            + _named("ping")
        )

    def stream_chunk(self, reply: Reply, piece: answers.Piece) -> bytes:
        delta = {"type": "text_delta", "text": piece.text}
        if reply.tool is not None:
            delta = {"type": "input_json_delta", "partial_json": piece.text}
        return _named("content_block_delta", index=0, delta=delta)

    def stream_tail(self, reply: Reply) -> bytes:
        change = {"stop_reason": _stop_reason(reply), "stop_sequence": None}
        usage = {"usage": _usage(reply)} if reply.show_usage else {}
        return (
            _named("content_block_stop", index=0)
            + _named("message_delta", delta=change, **usage)
            + _named("message_stop")
        )


def _named(name: str, **fields: object) -> bytes:
    return event({"type": name, **fields}, name)


def _message(reply: Reply, content: list[dict[str, object]], stop_reason: str | None) -> dict[str, object]:
    return {
        "id": reply.id,
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
    }


def _block(reply: Reply, text: str) -> dict[str, object]:
    if reply.tool is None:
        return {"type": "text", "text": text}
    arguments = msgspec.Raw(text.encode() or b"{}")
    return {"type": "tool_use", "id": "toolu_" + reply.id[-24:], "name": reply.tool.name, "input": arguments}


def _stop_reason(reply: Reply) -> str:
    if reply.capped:
        return "max_tokens"
    return "end_turn" if reply.tool is None else "tool_use"


def _input_usage(reply: Reply) -> dict[str, object]:
    usage = reply.usage
    return {
        "input_tokens": usage.uncached_input_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation_input_tokens": usage.cache_write_5m_tokens + usage.cache_write_1h_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m_tokens,
            "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
        },
    }


def _usage(reply: Reply) -> dict[str, object]:
    usage = reply.usage
    details = {"thinking_tokens": usage.reasoning_tokens}
    return {**_input_usage(reply), "output_tokens": usage.output_tokens, "output_tokens_details": details}


def _text(content: _Content | None) -> str:
    if isinstance(content, list):
        return "".join(block.text + _text(block.content) for block in content)
    return content or ""


def _last_user_text(messages: Sequence[_Message]) -> str:
    return next((_text(message.content) for message in reversed(messages) if message.role == "user"), "")
