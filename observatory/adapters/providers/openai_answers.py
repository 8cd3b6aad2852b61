"""Answers of chat completions: a whole one, and one put together from the chunks of a stream."""

from collections.abc import Mapping

import orjson

from observatory.adapters.providers import failures
from observatory.adapters.providers.base import ChatAnswer, ChatChunk, ProviderError, output_text
from observatory.rules.usage import UsageError, openai_usage
from schemas.calls import Usage
from schemas.chat import JsonObject

DONE = b"[DONE]"
_TOLD_APART = frozenset({"choices", "object", "model", "usage"})
_OF_CHOICE = frozenset({"message", "delta", "finish_reason", "index"})


def completion(body: bytes) -> ChatAnswer:
    """A plain answer. Raises `ProviderError` (`malformed_response`), with the usage where it could be read."""
    decoded = _decoded(body)
    usage = _usage(decoded.get("usage"))
    try:
        choice = decoded["choices"][0]
        message = {name: value for name, value in choice["message"].items() if value is not None}
        return _answer(decoded, choice, {"content": None, **message}, choice.get("finish_reason"), usage)
    except failures.UNREADABLE as error:
        failure = failures.malformed("the answer has no choice with a message")
        failure.usage, failure.service_tier = usage, _text_or_none(decoded.get("service_tier"))
        raise failure from error
    except ProviderError as failure:
        failure.usage, failure.service_tier = usage, _text_or_none(decoded.get("service_tier"))
        raise


class StreamedCompletion:
    """An answer put together from chunks; it is whole once a finish reason has come."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._refusals: list[str] = []
        self._tool_calls: dict[int, JsonObject] = {}
        self._log_probabilities: dict[str, list[object]] = {}
        self._body: JsonObject = {}
        self._choice: JsonObject = {}
        self._usage: Usage | None = None
        self._finish_reason: object = None
        self._service_tier: object = None

    @property
    def text(self) -> str:
        """The text that has come."""
        return "".join(self._pieces)

    @property
    def output(self) -> str:
        """The text, the refusal and the tool calls that have come."""
        return output_text("".join(self._pieces + self._refusals), self._tool_calls.values())

    @property
    def is_whole(self) -> bool:
        """Whether a finish reason has come."""
        return self._finish_reason is not None

    def add(self, event: bytes) -> ChatChunk | None:
        """Takes the data of one event. Raises `ProviderError` for an error in it."""
        if event == DONE:
            return None
        chunk = _decoded(event)
        if chunk.get("error") is not None:
            raise failures.reported_in_stream(chunk)
        return self._take(chunk)

    def usage_so_far(self) -> Usage | None:
        """The usage, which comes with the last chunk."""
        return self._usage

    @property
    def service_tier(self) -> str | None:
        """The tier of the last chunk that told it."""
        return _text_or_none(self._service_tier)

    def answer(self) -> ChatAnswer:
        """The whole answer. Raises `ProviderError` (`stream_cut`) without a finish reason."""
        if not self.is_whole:
            raise failures.stream_cut("the stream ended without a finish reason")
        message: JsonObject = {"role": "assistant", "content": self.text if self._pieces else None}
        if self._refusals:
            message["refusal"] = "".join(self._refusals)
        if self._tool_calls:
            message["tool_calls"] = [call for _, call in sorted(self._tool_calls.items())]
        if self._log_probabilities:
            self._choice["logprobs"] = self._log_probabilities
        return _answer(self._body, self._choice, message, self._finish_reason, self._usage)

    def _take(self, chunk: JsonObject) -> ChatChunk | None:
        choices = chunk.get("choices")
        self._service_tier = chunk.get("service_tier") or self._service_tier
        if chunk.get("usage") is not None:
            self._usage = _usage(chunk["usage"])
            self._body["usage"] = chunk["usage"]
        if not choices:
            self._keep(chunk)
            return None
        choice = choices[0]
        if choice.get("finish_reason") is not None:
            self._finish_reason = choice["finish_reason"]
            self._keep(chunk)
        if choice.get("logprobs") is not None:
            self._add_log_probabilities(choice["logprobs"])
        return self._shown(choice.get("delta") or {})

    def _shown(self, delta: JsonObject) -> ChatChunk | None:
        text, tool_calls = text_of(delta.get("content")), delta.get("tool_calls")
        if text:
            self._pieces.append(text)
        if refusal := text_of(delta.get("refusal")):
            self._refusals.append(refusal)
        for part in tool_calls or ():
            self._add_to_tool_call(part)
        return ChatChunk(text, tool_calls) if text or tool_calls else None

    def _add_to_tool_call(self, part: JsonObject) -> None:
        call = self._tool_calls.setdefault(
            part["index"], {"id": None, "type": "function", "function": {"name": "", "arguments": ""}}
        )
        call["id"] = part.get("id") or call["id"]
        call["type"] = part.get("type") or call["type"]
        for key, piece in (part.get("function") or {}).items():
            if piece is not None:
                call["function"][key] = call["function"].get(key, "") + piece

    def _add_log_probabilities(self, found: JsonObject) -> None:
        for key, tokens in found.items():
            if tokens is not None:
                self._log_probabilities.setdefault(key, []).extend(tokens)

    def _keep(self, chunk: JsonObject) -> None:
        """Chunks repeat the answer's id, model and fingerprint; Azure's first has them empty."""
        self._body.update({name: value for name, value in chunk.items() if value and name != "choices"})


def text_of(piece: object) -> str:
    """A piece of text, empty where it is null. Raises `TypeError` for what is none."""
    if piece is None:
        return ""
    if not isinstance(piece, str):
        raise TypeError(f"{type(piece).__name__} where a text was expected")
    return piece


def _answer(
    body: JsonObject, choice: JsonObject, message: JsonObject, finish_reason: object, usage: Usage | None
) -> ChatAnswer:
    content = message.get("content")
    model = body.get("model")
    if not isinstance(finish_reason, str) or not isinstance(model, str) or not isinstance(content, str | None):
        raise failures.malformed("the answer lacks its finish reason, its model or a readable message")
    fields = {name: value for name, value in body.items() if value is not None and name not in _TOLD_APART}
    fields |= {name: value for name, value in choice.items() if value is not None and name not in _OF_CHOICE}
    if body.get("usage") is not None:
        fields["usage"] = body["usage"]
    return ChatAnswer(
        message={**message, "role": "assistant"},
        finish_reason=finish_reason,
        response_model=model,
        response_id=_text_or_none(body.get("id")),
        usage=usage,
        service_tier=_text_or_none(body.get("service_tier")),
        provider_fields=fields,
    )


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _decoded(data: bytes) -> JsonObject:
    try:
        decoded = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise failures.malformed("the provider's answer is not JSON") from error
    if not isinstance(decoded, dict):
        raise failures.malformed("the provider's answer is not a JSON object")
    return decoded


def _usage(raw: object) -> Usage | None:
    """None where the numbers are missing or make no sense: the answer is good all the same, its cost an estimate."""
    if not isinstance(raw, Mapping):
        return None
    try:
        return openai_usage(raw)
    except UsageError:
        return None
