"""What is made of the providers' answers, as they are sent over the wire."""

import contextlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observatory.adapters.providers.base import ProviderError
from schemas.calls import Usage
from schemas.chat import JsonObject
from tests.observatory.adapters.providers.calls import answer_to, answering, asked, call_of, failure_of, streamed

COMPLETION: JsonObject = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_790_000_000,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hi", "refusal": None, "annotations": []},
            "logprobs": {"content": [{"token": "Hi", "logprob": -0.1}], "refusal": None},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
    "service_tier": "default",
    "system_fingerprint": "fp_1",
}
MESSAGE: JsonObject = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5-20251001",
    "content": [
        {"type": "thinking", "thinking": "Hm", "signature": "s"},
        {"type": "text", "text": "Let me look."},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"place": "Ulm"}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 9, "output_tokens": 7, "service_tier": "standard"},
}
MESSAGE_EVENTS: list[JsonObject] = [
    {
        "type": "message_start",
        "message": {**MESSAGE, "content": [], "stop_reason": None, "usage": {"input_tokens": 9, "output_tokens": 1}},
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Let me "}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "look."}},
    {
        "type": "content_block_start",
        "index": 2,
        "content_block": {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}},
    },
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"place":'}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '"Ulm"}'}},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 7}},
    {"type": "message_stop"},
]


def chunk(delta: JsonObject, finish_reason: str | None = None, **more: object) -> JsonObject:
    """A chunk of a completion's stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "m", "choices": [choice], **more}


def stream_of(events: Sequence[object]) -> bytes:
    """The bytes of a stream; text stands for itself."""
    return b"".join(b"data: " + (e.encode() if isinstance(e, str) else orjson.dumps(e)) + b"\n\n" for e in events)


def says(content: bytes | JsonObject, status: int = 200, **headers: str) -> httpx2.Response:
    """A response."""
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    return httpx2.Response(status, content=body, headers={name.replace("_", "-"): v for name, v in headers.items()})


async def test_a_completion_is_given_whole_with_what_else_the_provider_told() -> None:
    answer = await answer_to(answering("openai", lambda _: says(COMPLETION)), call_of(asked()))
    assert answer.message == {"role": "assistant", "content": "Hi", "annotations": []}
    assert (answer.finish_reason, answer.response_id, answer.service_tier) == ("stop", "chatcmpl-1", "default")
    assert answer.response_model == "gpt-4o-mini-2024-07-18"
    assert answer.usage == Usage(uncached_input_tokens=9, output_tokens=2)
    assert answer.provider_fields == {
        "id": "chatcmpl-1",
        "created": 1_790_000_000,
        "service_tier": "default",
        "system_fingerprint": "fp_1",
        "logprobs": {"content": [{"token": "Hi", "logprob": -0.1}], "refusal": None},
        "usage": COMPLETION["usage"],
    }


@pytest.mark.parametrize("usage", [None, {"prompt_tokens": 1, "prompt_tokens_details": {"cached_tokens": 2}}, "many"])
async def test_an_answer_with_senseless_usage_is_an_answer_without_usage(usage: object) -> None:
    provider = answering("openai", lambda _: says({**COMPLETION, "usage": usage}))
    answer = await answer_to(provider, call_of(asked()))
    assert answer.usage is None
    assert answer.provider_fields.get("usage") == usage


async def test_a_message_of_anthropic_becomes_a_completion() -> None:
    answer = await answer_to(answering("anthropic", lambda _: says(MESSAGE)), call_of(asked()))
    function = {"name": "weather", "arguments": '{"place":"Ulm"}'}
    assert answer.message == {
        "role": "assistant",
        "content": "Let me look.",
        "tool_calls": [{"id": "toolu_1", "type": "function", "function": function}],
    }
    assert answer.finish_reason == "tool_calls"
    assert answer.usage == Usage(uncached_input_tokens=9, output_tokens=7)
    assert answer.provider_fields["content_blocks"] == [MESSAGE["content"][0]]
    assert answer.provider_fields["stop_reason"] == "tool_use"


async def test_a_streamed_message_of_anthropic_is_the_same_as_a_plain_one() -> None:
    plain = await answer_to(answering("anthropic", lambda _: says(MESSAGE)), call_of(asked()))
    provider = answering("anthropic", lambda _: says(stream_of(MESSAGE_EVENTS)))
    chunks, answer = await streamed(provider, call_of(asked()))
    assert (answer.message, answer.finish_reason, answer.usage) == (plain.message, plain.finish_reason, plain.usage)
    assert answer.provider_fields["content_blocks"] == plain.provider_fields["content_blocks"]
    assert "".join(piece.text for piece in chunks) == "Let me look."
    started = {"index": 0, "id": "toolu_1", "type": "function", "function": {"name": "weather", "arguments": ""}}
    assert [piece.tool_calls for piece in chunks if piece.tool_calls] == [
        [started],
        [{"index": 0, "function": {"arguments": '{"place":'}}],
        [{"index": 0, "function": {"arguments": '"Ulm"}'}}],
    ]


@pytest.mark.parametrize(
    ("stop_reason", "finish_reason"),
    [("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("refusal", "content_filter")],
)
async def test_anthropics_stop_reasons_are_told_in_openais_words(stop_reason: str, finish_reason: str) -> None:
    provider = answering("anthropic", lambda _: says({**MESSAGE, "stop_reason": stop_reason}))
    assert (await answer_to(provider, call_of(asked()))).finish_reason == finish_reason


async def test_fast_mode_of_anthropic_is_a_service_tier() -> None:
    usage = {"input_tokens": 1, "output_tokens": 1, "service_tier": "standard", "speed": "fast"}
    provider = answering("anthropic", lambda _: says({**MESSAGE, "usage": usage}))
    assert (await answer_to(provider, call_of(asked()))).service_tier == "fast"


@pytest.mark.parametrize(
    ("said", "tier"),
    [
        ({"inference_geo": "us"}, "us"),
        ({"inference_geo": "us", "service_tier": "standard"}, "us"),
        ({"inference_geo": "us", "service_tier": "batch"}, "batch-us"),
        ({"inference_geo": "us", "service_tier": "batch", "speed": "fast"}, "fast-us"),
        ({"inference_geo": "global", "service_tier": "batch"}, "batch"),
        ({"inference_geo": "not_available", "service_tier": "standard"}, "standard"),
        ({"inference_geo": None}, None),
        ({"inference_geo": {}, "service_tier": []}, None),
    ],
)
async def test_inference_kept_to_a_place_is_a_service_tier_of_its_own(said: JsonObject, tier: str | None) -> None:
    usage = {"input_tokens": 1, "output_tokens": 1, **said}
    provider = answering("anthropic", lambda _: says({**MESSAGE, "usage": usage}))
    assert (await answer_to(provider, call_of(asked()))).service_tier == tier


async def test_a_streamed_completion_is_put_together() -> None:
    function = {"name": "weather", "arguments": ""}
    events = [
        {"id": "", "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "He"}, usage=None),
        chunk({"content": "llo"}),
        chunk({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]}),
        chunk({"tool_calls": [{"index": 1, "id": "call_2", "type": "function", "function": function}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}),
        chunk({}, "tool_calls"),
        {"id": "chatcmpl-1", "model": "m", "choices": [], "usage": COMPLETION["usage"]},
        "[DONE]",
    ]
    provider = answering("azure", lambda _: says(stream_of(events)))
    chunks, answer = await streamed(provider, call_of(asked()))
    assert [piece.text for piece in chunks[:2]] == ["He", "llo"]
    assert len(chunks) == 6
    first, second = answer.message["tool_calls"]
    assert first == {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"a":1}'}}
    assert second["id"] == "call_2"
    assert (answer.message["content"], answer.finish_reason) == ("Hello", "tool_calls")
    assert (answer.response_id, answer.response_model) == ("chatcmpl-1", "m")
    assert answer.usage == Usage(uncached_input_tokens=9, output_tokens=2)
    assert answer.provider_fields["prompt_filter_results"] == [{"prompt_index": 0}]


async def test_a_stream_without_a_finish_reason_is_cut_and_tells_what_came() -> None:
    provider = answering("openai", lambda _: says(stream_of([chunk({"content": "He"}), "[DONE]"])))
    error = await failure_of(provider, call_of(asked(stream=True)))
    assert (error.error_type, error.billing, error.retryable) == ("stream_cut", "unknown", True)
    assert error.received_text == "He"


async def test_a_cut_stream_of_anthropic_tells_the_input_that_it_began_with() -> None:
    provider = answering("anthropic", lambda _: says(stream_of(MESSAGE_EVENTS[:8])))
    error = await failure_of(provider, call_of(asked(stream=True)))
    assert error.error_type == "stream_cut"
    assert error.usage == Usage(uncached_input_tokens=9, output_tokens=1)
    assert error.received_text == "Let me "


async def test_a_stream_that_ends_after_its_finish_reason_is_an_answer() -> None:
    provider = answering("openai", lambda _: says(stream_of([chunk({"content": "Hi"}), chunk({}, "stop")])))
    answer = await answer_to(provider, call_of(asked(stream=True)))
    assert (answer.message["content"], answer.usage) == ("Hi", None)


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_an_error_in_a_stream_is_an_error(kind: str) -> None:
    event = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    error = await failure_of(answering(kind, lambda _: says(stream_of([event]))), call_of(asked(stream=True)))
    assert (error.error_type, error.message, error.billing) == ("overloaded", "Overloaded", "unknown")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", ["openai", "anthropic"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'"text"',
        b"{}",
        b'{"choices": [], "content": 5}',
        b'{"choices": [{"message": "x"}], "content": [{"type": "tool_use"}], "model": "m", "stop_reason": "s"}',
        b'{"choices": [{"message": {"content": 5}, "delta": {"content": 5}, "finish_reason": "stop"}], "model": "m"}',
        b'{"choices": [{"message": {"content": "x"}, "delta": {"content": "x"}, "finish_reason": "stop"}]}',
        b'{"choices": [{"delta": "x"}], "type": "content_block_delta"}',
        b"\xff\xfe",
    ],
)
async def test_no_answer_whatever_becomes_another_exception(body: bytes, kind: str, stream: bool) -> None:
    wire = b"data: " + body + b"\n\n" if stream else body
    error = await failure_of(answering(kind, lambda _: says(wire)), call_of(asked(stream=stream)))
    assert error.error_type in ("malformed_response", "stream_cut")
    assert (error.billing, error.retryable) == ("unknown", True)


@st.composite
def damaged(draw: st.DrawFn, events: list[JsonObject]) -> list[JsonObject]:
    """The events with one value somewhere in them replaced by another, or left out."""
    copy: list[JsonObject] = json.loads(json.dumps(events))
    place: object = draw(st.sampled_from(copy))
    while isinstance(place, dict | list) and place:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or draw(st.booleans()):
            place[key] = draw(NONSENSE)
            break
        place = inner
    return copy


NONSENSE = st.sampled_from([None, 5, -1, "x", "", True, [], [5], {}, {"a": 1}, {"type": "text"}, 1.5])
STREAMS: list[tuple[str, list[JsonObject]]] = [
    ("anthropic", MESSAGE_EVENTS),
    (
        "openai",
        [
            chunk({"role": "assistant", "content": "He", "refusal": "no"}),
            chunk({"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "w"}}]}),
            chunk({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}),
            {**chunk({}, "stop"), "usage": COMPLETION["usage"], "service_tier": "default"},
        ],
    ),
]


@settings(max_examples=300)
@given(st.sampled_from(STREAMS).flatmap(lambda s: st.tuples(st.just(s[0]), damaged(s[1]))))
async def test_a_damaged_stream_is_an_answer_or_an_error_of_ours(stream: tuple[str, list[JsonObject]]) -> None:
    kind, events = stream
    with contextlib.suppress(ProviderError):
        await streamed(answering(kind, lambda _: says(stream_of(events))), call_of(asked()))


@settings(max_examples=300)
@given(damaged([COMPLETION]), damaged([MESSAGE]))
async def test_a_damaged_answer_is_an_answer_or_an_error_of_ours(
    one: list[JsonObject], other: list[JsonObject]
) -> None:
    for kind, (body,) in (("openai", one), ("anthropic", other)):
        with contextlib.suppress(ProviderError):
            await answer_to(answering(kind, lambda _, body=body: says(body)), call_of(asked()))  # type: ignore[misc]


async def test_an_unreadable_answer_still_tells_its_usage() -> None:
    body = {**COMPLETION, "choices": []}
    error = await failure_of(answering("openai", lambda _: says(body)), call_of(asked()))
    assert (error.error_type, error.usage) == ("malformed_response", Usage(uncached_input_tokens=9, output_tokens=2))


@pytest.mark.parametrize(
    ("status", "error_type", "retryable", "billing"),
    [
        (400, "invalid_request", False, "none"),
        (401, "authentication_error", False, "none"),
        (403, "permission_denied", False, "none"),
        (404, "not_found", False, "none"),
        (408, "timeout", True, "none"),
        (409, "conflict", True, "none"),
        (422, "invalid_request", False, "none"),
        (429, "rate_limited", True, "none"),
        (500, "server_error", True, "none"),
        (502, "server_error", True, "unknown"),
        (503, "overloaded", True, "none"),
        (504, "timeout", True, "unknown"),
        (529, "overloaded", True, "none"),
    ],
)
@pytest.mark.parametrize("kind", ["openai", "azure", "anthropic"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_status_says_what_is_wrong_and_whether_to_ask_again(
    status: int, error_type: str, retryable: bool, billing: str, kind: str, stream: bool
) -> None:
    provider = answering(kind, lambda _: says({"error": {"message": "No."}}, status))
    error = await failure_of(provider, call_of(asked(stream=stream)))
    assert (error.error_type, error.retryable, error.billing) == (error_type, retryable, billing)
    assert (error.status, error.message) == (status, "No.")


@pytest.mark.parametrize(
    ("kind", "status", "details", "error_type"),
    [
        ("openai", 404, {"code": "model_not_found", "type": "invalid_request_error"}, "no_such_model"),
        ("azure", 404, {"code": "DeploymentNotFound"}, "no_such_model"),
        ("anthropic", 404, {"type": "not_found_error"}, "no_such_model"),
        ("openai", 429, {"code": "insufficient_quota", "type": "insufficient_quota"}, "insufficient_quota"),
    ],
)
async def test_a_code_says_more_than_the_status(kind: str, status: int, details: JsonObject, error_type: str) -> None:
    body = {"type": "error", "error": {**details, "message": "No."}}
    error = await failure_of(answering(kind, lambda _: says(body, status)), call_of(asked()))
    assert (error.error_type, error.retryable, error.billing) == (error_type, False, "none")


async def test_a_refusal_without_a_readable_body_is_a_refusal() -> None:
    error = await failure_of(answering("openai", lambda _: says(b"<html>no</html>", 500)), call_of(asked()))
    assert (error.error_type, error.message) == ("server_error", "the provider answered with status 500")


@pytest.mark.parametrize("stream", [False, True])
async def test_retry_after_is_told_in_seconds(stream: bool) -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    by_seconds = answering("openai", lambda _: says({}, 429, retry_after="2.5"))
    by_date = answering("anthropic", lambda _: says({}, 429, retry_after=at))
    assert (await failure_of(by_seconds, call_of(asked(stream=stream)))).retry_after_s == 2.5
    told = (await failure_of(by_date, call_of(asked(stream=stream)))).retry_after_s
    assert told is not None
    assert 50 < told <= 60


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("openai", "http://provider/v1/chat/completions"),
        ("azure", "http://provider/openai/deployments/gpt-4o-mini/chat/completions?api-version=v"),
        ("anthropic", "http://provider/v1/messages"),
    ],
)
async def test_a_call_names_its_attempt_to_the_provider(kind: str, url: str) -> None:
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return says(MESSAGE if kind == "anthropic" else COMPLETION)

    call = call_of(asked())
    await answer_to(answering(kind, answer), call)
    (request,) = seen
    assert str(request.url) == url
    assert request.headers["x-observatory-call-id"] == str(call.call_id)
    assert request.headers["x-observatory-request-id"] == str(call.request_id)
    assert request.headers["x-observatory-attempt"] == "1"
    assert request.headers["content-type"] == "application/json"
    assert (
        "k" in (request.headers.get("api-key"), request.headers.get("x-api-key"))
        or "Bearer k" in request.headers["authorization"]
    )
    assert json.loads(request.content)["messages"][0]["role"] == "user"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("openai", {"parameters": {"seed": 10**30}}),
        ("anthropic", {"parameters": {"top_k": 10**30}}),
        ("anthropic", {"parameters": {"output_config": "high"}}),
        ("anthropic", {"parameters": {"parallel_tool_calls": False}, "tools": [{}], "tool_choice": {"x": 1}}),
    ],
)
async def test_a_request_that_cannot_be_written_is_refused_without_sending(
    kind: str, fields: JsonObject, stream: bool
) -> None:
    provider = answering(kind, lambda _: says(COMPLETION))
    error = await failure_of(provider, call_of(asked(stream=stream, **fields)))
    assert (error.error_type, error.billing, error.retryable) == ("invalid_request", "none", False)


async def test_redirects_and_refusals_are_not_followed_by_another_call() -> None:
    calls = 0

    def answer(_: httpx2.Request) -> httpx2.Response:
        nonlocal calls
        calls += 1
        return says({}, 503)

    await failure_of(answering("openai", answer), call_of(asked()))
    await failure_of(answering("anthropic", answer), call_of(asked()))
    assert calls == 2
