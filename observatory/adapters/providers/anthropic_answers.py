"""Anthropic's answers, whole or from a stream, translated to the shape of OpenAI's chat completions."""

from collections.abc import Iterable, Mapping

import orjson

from observatory.adapters.providers import failures
from observatory.adapters.providers.base import ChatAnswer, ChatChunk, ProviderError
from observatory.adapters.providers.openai_answers import text_of
from observatory.rules.pricing import STANDARD_TIERS
from observatory.rules.usage import UsageError, anthropic_usage, anthropic_usage_so_far
from schemas.calls import Usage
from schemas.chat import JsonObject

FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_TOLD_APART = frozenset({"type", "role", "content", "model"})
_ANYWHERE = frozenset({"", "global", "not_available"})


def message_answer(body: bytes) -> ChatAnswer:
    """A plain answer. Raises `ProviderError` (`malformed_response`), with the usage where it could be read."""
    message = _decoded(body)
    try:
        return _answer(message)
    except failures.UNREADABLE as error:
        failure = failures.malformed("the answer has not the shape of a message")
        raise _with_what_was_told(failure, message) from error
    except ProviderError as failure:
        raise _with_what_was_told(failure, message) from failure.__cause__


class StreamedMessage:
    """An answer put together from events; it is whole once a stop reason has come."""

    def __init__(self) -> None:
        self._message: JsonObject = {}
        self._blocks: dict[int, JsonObject] = {}
        self._pieces: list[str] = []
        self._arguments: dict[int, list[str]] = {}

    @property
    def text(self) -> str:
        """The text that has come."""
        return "".join(self._pieces)

    @property
    def output(self) -> str:
        """The thoughts, the text and the tool calls that have come."""
        thoughts = [str(block.get("thinking") or "") for block in self._blocks.values()]
        calls = [text for i, pieces in self._arguments.items() for text in (str(self._blocks[i]["name"]), *pieces)]
        return "".join([*thoughts, *self._pieces, *calls])

    @property
    def is_whole(self) -> bool:
        """Whether a stop reason has come."""
        return self._message.get("stop_reason") is not None

    def add(self, event: bytes) -> ChatChunk | None:
        """Takes the data of one event. Raises `ProviderError` for an error in it."""
        return self._take(_decoded(event))

    def usage_so_far(self) -> Usage | None:
        """The input, which comes with the first event; the output is complete only at the end."""
        return _usage(self._message.get("usage"))

    @property
    def service_tier(self) -> str | None:
        """The tier, which comes with the first event."""
        return _service_tier(self._message.get("usage"))

    def answer(self) -> ChatAnswer:
        """The whole answer. Raises `ProviderError` (`stream_cut`) without a stop reason."""
        if not self.is_whole:
            raise failures.stream_cut("the stream ended without a stop reason")
        for index, pieces in self._arguments.items():
            self._blocks[index]["arguments"] = "".join(pieces) or "{}"
        return _answer({**self._message, "content": [block for _, block in sorted(self._blocks.items())]})

    def _take(self, event: JsonObject) -> ChatChunk | None:
        match event["type"]:
            case "content_block_delta":
                return self._add_delta(event["index"], event["delta"])
            case "content_block_start":
                return self._start_block(event["index"], dict(event["content_block"]))
            case "message_start":
                self._message = dict(event["message"])
            case "message_delta":
                self._message.update(event["delta"])
                self._message["usage"] = anthropic_usage_so_far(
                    self._message.get("usage") or {}, event.get("usage") or {}
                )
            case "error":
                raise failures.reported_in_stream(event)
        return None

    def _start_block(self, index: int, block: JsonObject) -> ChatChunk | None:
        self._blocks[index] = block
        if block["type"] == "text":
            return self._add_text(block, block.pop("text", ""))
        if block["type"] != "tool_use":
            return None
        self._arguments[index] = []
        function = {"name": block["name"], "arguments": ""}
        started = {"index": len(self._arguments) - 1, "id": block["id"], "type": "function", "function": function}
        return ChatChunk("", [started])

    def _add_delta(self, index: int, delta: JsonObject) -> ChatChunk | None:
        block = self._blocks[index]
        match delta["type"]:
            case "text_delta":
                return self._add_text(block, delta["text"])
            case "input_json_delta" if index in self._arguments:
                arguments = text_of(delta["partial_json"])
                self._arguments[index].append(arguments)
                position = list(self._arguments).index(index)
                return ChatChunk("", [{"index": position, "function": {"arguments": arguments}}])
            case "thinking_delta":
                block["thinking"] = block.get("thinking", "") + delta["thinking"]
            case "signature_delta":
                block["signature"] = delta["signature"]
        return None

    def _add_text(self, block: JsonObject, piece: object) -> ChatChunk | None:
        text = text_of(piece)
        block.setdefault("pieces", []).append(text)
        self._pieces.append(text)
        return ChatChunk(text) if text else None


def _answer(message: JsonObject) -> ChatAnswer:
    blocks: list[JsonObject] = message["content"]
    model, stop_reason, response_id = message.get("model"), message.get("stop_reason"), message.get("id")
    if not isinstance(model, str) or not isinstance(stop_reason, str):
        raise failures.malformed("the answer lacks its model or its stop reason")
    raw_usage = message.get("usage")
    fields = {name: value for name, value in message.items() if value is not None and name not in _TOLD_APART}
    if others := [block for block in blocks if block["type"] not in ("text", "tool_use")]:
        fields["content_blocks"] = others
    return ChatAnswer(
        message=_message(blocks),
        finish_reason=FINISH_REASONS.get(stop_reason, "stop"),
        response_model=model,
        response_id=response_id if isinstance(response_id, str) else None,
        usage=_usage(raw_usage),
        service_tier=_service_tier(raw_usage),
        provider_fields=fields,
    )


def _message(blocks: Iterable[JsonObject]) -> JsonObject:
    texts: list[str] = []
    tool_calls: list[JsonObject] = []
    for block in blocks:
        if block["type"] == "text":
            texts += block.get("pieces") or [block["text"]]
        elif block["type"] == "tool_use":
            tool_calls.append(_tool_call(block))
    message: JsonObject = {"role": "assistant", "content": "".join(texts) if texts else None}
    if tool_calls:
        message["tool_calls"] = tool_calls
    return message


def _tool_call(block: JsonObject) -> JsonObject:
    """`arguments` are the text that was streamed; a plain answer has `input`, decoded."""
    arguments = block["arguments"] if "arguments" in block else orjson.dumps(block["input"]).decode()
    return {"id": block["id"], "type": "function", "function": {"name": block["name"], "arguments": arguments}}


def _service_tier(raw_usage: object) -> str | None:
    """What decides the price beside the model: the tier, fast mode, and a place that the inference was kept to.

    Such a place costs more and is told as `us`, with a tier as `batch-us`; standard prices do not hold there.
    """
    if not isinstance(raw_usage, Mapping):
        return None
    said, place = raw_usage.get("service_tier"), raw_usage.get("inference_geo")
    tier = "fast" if raw_usage.get("speed") == "fast" else said if isinstance(said, str) else None
    if isinstance(place, str) and place not in _ANYWHERE:
        return place if tier in STANDARD_TIERS else f"{tier}-{place}"
    return tier


def _with_what_was_told(failure: ProviderError, message: JsonObject) -> ProviderError:
    failure.usage, failure.service_tier = _usage(message.get("usage")), _service_tier(message.get("usage"))
    return failure


def _decoded(data: bytes) -> JsonObject:
    try:
        decoded = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise failures.malformed("what the provider sent is not JSON") from error
    if not isinstance(decoded, dict):
        raise failures.malformed("what the provider sent is not a JSON object")
    return decoded


def _usage(raw: object) -> Usage | None:
    """None where the numbers are missing or make no sense: the answer is good all the same, its cost an estimate."""
    if not isinstance(raw, Mapping):
        return None
    try:
        return anthropic_usage(raw)
    except UsageError:
        return None
