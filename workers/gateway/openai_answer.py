"""Our answers in the shape of OpenAI's chat completions: the whole answer, and the chunks of a streamed one."""

import time
from collections.abc import Iterator, Mapping

import orjson

from observatory.rules.subscription import Answer
from schemas.base import decimal_text
from schemas.calls import Usage
from schemas.chat import ChatCompleted, ChatDelta, ChatRestarted, JsonObject
from workers.gateway.refusals import Refusal

DONE = b"data: [DONE]\n\n"
_PROVIDER_FIELDS = ("system_fingerprint", "service_tier")


def completion_id(request_id: str) -> str:
    """The id of the completion: our request's, so that either leads to the other."""
    return f"chatcmpl-{request_id}"


def completion_body(completed: ChatCompleted) -> bytes:
    """A `chat.completion` object."""
    extra = completed.provider_fields or {}
    body: dict[str, object] = {
        "id": completion_id(str(completed.request_id)),
        "object": "chat.completion",
        "created": int(completed.completed_at.timestamp()),
        "model": completed.model,
        "choices": [
            {
                "index": 0,
                "message": _message(completed),
                "logprobs": extra.get("logprobs"),
                "finish_reason": completed.finish_reason,
            }
        ],
    }
    if completed.usage is not None:
        body["usage"] = usage_body(completed.usage)
    body.update((name, extra[name]) for name in _PROVIDER_FIELDS if name in extra)
    return orjson.dumps(body)


def completion_headers(completed: ChatCompleted) -> list[tuple[bytes, bytes]]:
    """Our own headers of a whole answer."""
    headers = [(b"x-observatory-request-id", str(completed.request_id).encode())]
    if completed.cost_usd is not None:
        headers.append((b"x-observatory-cost-usd", decimal_text(completed.cost_usd).encode()))
    return headers


def usage_body(usage: Usage) -> Mapping[str, object]:
    """OpenAI counts cached tokens as prompt tokens and reasoning as completion tokens."""
    written = usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
    prompt = usage.uncached_input_tokens + usage.cache_read_tokens + written
    return {
        "prompt_tokens": prompt,
        "completion_tokens": usage.output_tokens,
        "total_tokens": prompt + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "audio_tokens": usage.input_audio_tokens or 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": usage.output_audio_tokens or 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _message(completed: ChatCompleted) -> dict[str, object]:
    message: dict[str, object] = completed.message.model_dump(exclude_none=True)
    message.setdefault("content", None)
    message.setdefault("refusal", None)
    return message


class ChunkStream:
    """Turns the events of one request into `chat.completion.chunk`s, as server-sent bytes.

    OpenAI's stream cannot take back what was said. When an answer starts again, the new attempt is held back as long
    as it repeats what was shown, and goes on from there; when it says something else, the stream ends with an error.
    """

    def __init__(self, request_id: str, model: str, *, include_usage: bool) -> None:
        head = {"id": completion_id(request_id), "object": "chat.completion.chunk", "created": int(time.time())}
        self._head: dict[str, object] = {**head, "model": model}
        self._include_usage = include_usage
        self._shown = ""
        self._said = ""
        self._tools_shown = False
        self._begun = False

    def chunks(self, answer: Answer) -> bytes:
        """What an event adds to the stream. Raises `Refusal` when it fails or cannot go on."""
        if isinstance(answer, ChatDelta):
            return b"".join(self._delta(answer.text, answer.tool_calls))
        if isinstance(answer, ChatRestarted):
            self._said = ""
            self._refuse_if(self._tools_shown)
            return b""
        if isinstance(answer, ChatCompleted):
            return b"".join(self._completed(answer))
        raise AssertionError("a failed request has no chunks")

    def _delta(self, text: str, tool_calls: list[JsonObject] | None) -> Iterator[bytes]:
        yield from self._begin()
        self._said += text
        fresh = self._fresh()
        if fresh:
            self._shown += fresh
            yield self._chunk({"content": fresh})
        if tool_calls:
            self._tools_shown = True
            yield self._chunk({"tool_calls": tool_calls})

    def _fresh(self) -> str:
        """What was said beyond what was shown; nothing while a new attempt still repeats it."""
        length = min(len(self._said), len(self._shown))
        self._refuse_if(not (self._said.startswith(self._shown) or self._shown.startswith(self._said)))
        return self._said[length:] if length == len(self._shown) else ""

    def _completed(self, completed: ChatCompleted) -> Iterator[bytes]:
        yield from self._begin()
        content = completed.message.content
        whole = content if isinstance(content, str) else ""
        self._refuse_if(not whole.startswith(self._shown))
        calls = None if self._tools_shown else _indexed(completed.message.tool_calls)
        self._said = self._shown
        yield from self._delta(whole[len(self._shown) :], calls)
        self._head["model"] = completed.model
        yield self._chunk({}, completed.finish_reason)
        if self._include_usage:
            usage = usage_body(completed.usage or Usage())
            yield _event({**self._head, "choices": [], "usage": usage})
        yield DONE

    def _begin(self) -> Iterator[bytes]:
        if not self._begun:
            self._begun = True
            yield self._chunk({"role": "assistant", "content": ""})

    def _chunk(self, delta: Mapping[str, object], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        body = {**self._head, "choices": [choice]}
        if self._include_usage:
            body["usage"] = None
        return _event(body)

    @staticmethod
    def _refuse_if(diverged: bool) -> None:
        if diverged:
            message = (
                "the answer started again and differs from what was shown; "
                "the request goes on: repeat it with the same Idempotency-Key to get the whole answer"
            )
            raise Refusal(502, "stream_restarted", message)


def _indexed(tool_calls: list[JsonObject] | None) -> list[JsonObject] | None:
    """Tool calls of a whole answer as those of a delta, which are numbered."""
    return [{"index": index, **call} for index, call in enumerate(tool_calls)] if tool_calls else None


def _event(body: Mapping[str, object]) -> bytes:
    return b"data: " + orjson.dumps(body) + b"\n\n"
