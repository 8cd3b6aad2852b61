"""Each fault is seen by the real SDKs as what it stands for, and billed as a provider would."""

import json

import anthropic
import httpx2
import openai
import pytest
from anthropic.types import MessageParam
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

from tests.loadtests.simulator.running import RunningSimulator, new_call

OPENAI_HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]
ANTHROPIC_HELLO: list[MessageParam] = [{"role": "user", "content": "hello"}]

OPENAI_STATUS = [
    ("400", openai.BadRequestError),
    ("401", openai.AuthenticationError),
    ("404", openai.NotFoundError),
    ("429", openai.RateLimitError),
    ("500", openai.InternalServerError),
    ("503", openai.InternalServerError),
    ("529", openai.InternalServerError),
]
ANTHROPIC_STATUS = [
    ("400", anthropic.BadRequestError, "invalid_request_error"),
    ("401", anthropic.AuthenticationError, "authentication_error"),
    ("404", anthropic.NotFoundError, "not_found_error"),
    ("429", anthropic.RateLimitError, "rate_limit_error"),
    ("500", anthropic.InternalServerError, "api_error"),
    ("503", anthropic.InternalServerError, "api_error"),
    ("529", anthropic.InternalServerError, "overloaded_error"),
]


async def openai_call(simulator: RunningSimulator, directives: str, headers: dict[str, str], stream: bool) -> None:
    """Make a call of 10 input and 8 output tokens and read its answer to the end."""
    model = f"gpt-4o@in=10;out=8;{directives}"
    async with simulator.openai() as client:
        if stream:
            chunks = await client.chat.completions.create(
                model=model, messages=OPENAI_HELLO, extra_headers=headers, stream=True
            )
            await _read_into([], chunks)
        else:
            await client.chat.completions.create(model=model, messages=OPENAI_HELLO, extra_headers=headers)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("fault", "error"), OPENAI_STATUS)
async def test_openai_sees_a_status_and_pays_nothing(
    simulator: RunningSimulator, fault: str, error: type[openai.APIStatusError], stream: bool
) -> None:
    call_id, headers = new_call()
    with pytest.raises(error) as seen:
        await openai_call(simulator, f"fault={fault}", headers, stream)
    assert seen.value.status_code == int(fault)
    line = await simulator.line(call_id)
    assert (line.state, line.http_status, line.billed, line.cost_usd) == ("refused", int(fault), False, "0")
    assert (line.uncached_input_tokens, line.output_tokens) == (0, 0)


@pytest.mark.parametrize(("fault", "error", "kind"), ANTHROPIC_STATUS)
async def test_anthropic_sees_a_status_in_its_own_shape(
    simulator: RunningSimulator, fault: str, error: type[anthropic.APIStatusError], kind: str
) -> None:
    call_id, headers = new_call()
    async with simulator.anthropic() as client:
        with pytest.raises(error) as seen:
            await client.messages.create(
                model=f"claude-haiku-4-5@fault={fault}",
                max_tokens=9,
                messages=ANTHROPIC_HELLO,
                extra_headers=headers,
            )
    assert seen.value.status_code == int(fault)
    assert seen.value.type == kind
    assert (await simulator.line(call_id)).billed is False


@pytest.mark.parametrize(
    ("directives", "expected"),
    [("fault=429", "1"), ("fault=429;retryafter=0.25", "0.25"), ("fault=503;retryafter=2", "2"), ("fault=503", None)],
)
async def test_retry_after_is_sent(simulator: RunningSimulator, directives: str, expected: str | None) -> None:
    with pytest.raises(openai.APIStatusError) as seen:
        await openai_call(simulator, directives, {}, stream=False)
    assert seen.value.response.headers.get("retry-after") == expected


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "state", "input_tokens", "output_tokens"),
    [("cut-before", "refused", 0, 0), ("cut-after", "cut", 10, 8)],
)
async def test_a_connection_that_is_cut_without_an_answer(
    simulator: RunningSimulator, stream: bool, fault: str, state: str, input_tokens: int, output_tokens: int
) -> None:
    call_id, headers = new_call()
    with pytest.raises(openai.APIConnectionError):
        await openai_call(simulator, f"fault={fault}", headers, stream)
    line = await simulator.line(call_id)
    assert (line.state, line.http_status, line.billed) == (state, None, state == "cut")
    assert (line.uncached_input_tokens, line.output_tokens) == (input_tokens, output_tokens)


async def test_a_stream_that_is_cut_in_the_middle_bills_the_chunks_that_were_sent(simulator: RunningSimulator) -> None:
    call_id, headers = new_call()
    texts: list[str] = []
    async with simulator.openai() as client:
        stream = await client.chat.completions.create(
            model="gpt-4o@in=10;out=8;fault=cut-mid", messages=OPENAI_HELLO, extra_headers=headers, stream=True
        )
        with pytest.raises((openai.APIConnectionError, httpx2.RemoteProtocolError)):
            await _read_into(texts, stream)
    line = await simulator.line(call_id)
    assert len(texts) == 4
    assert (line.state, line.billed, line.uncached_input_tokens, line.output_tokens) == ("cut", True, 10, 4)
    assert line.cost_usd == "0.000065"


async def test_reasoning_comes_before_the_chunks_and_is_billed_with_them(simulator: RunningSimulator) -> None:
    call_id, headers = new_call()
    with pytest.raises((openai.APIConnectionError, httpx2.RemoteProtocolError)):
        await openai_call(simulator, "reasoning=2;fault=cut-mid", headers, stream=True)
    line = await simulator.line(call_id)
    assert (line.output_tokens, line.reasoning_tokens) == (5, 2)


async def test_a_plain_answer_that_is_cut_in_the_middle_is_billed_in_full(simulator: RunningSimulator) -> None:
    call_id, headers = new_call()
    with pytest.raises(openai.APIConnectionError):
        await openai_call(simulator, "fault=cut-mid", headers, stream=False)
    line = await simulator.line(call_id)
    assert (line.state, line.http_status, line.output_tokens) == ("cut", 200, 8)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", ["malformed", "malformed-chunk"])
async def test_broken_json_is_billed(simulator: RunningSimulator, fault: str, stream: bool) -> None:
    call_id, headers = new_call()
    with pytest.raises(json.JSONDecodeError):
        await openai_call(simulator, f"fault={fault}", headers, stream)
    line = await simulator.line(call_id)
    assert (line.state, line.billed, line.output_tokens) == ("served", True, 8)


async def test_a_broken_chunk_is_followed_by_the_rest_of_the_stream(simulator: RunningSimulator) -> None:
    body = {"model": "gpt-4o@out=8;fault=malformed-chunk", "messages": OPENAI_HELLO, "stream": True}
    async with httpx2.AsyncClient(base_url=simulator.url) as http:
        answer = await http.post("/v1/chat/completions", json=body)
    data = [event.removeprefix("data: ") for event in answer.text.split("\n\n") if event]
    assert data.pop() == "[DONE]"
    assert sum(not _is_json(item) for item in data) == 1
    assert len(data) == 10


async def test_a_time_out_is_billed_as_served_when_the_client_leaves(simulator: RunningSimulator) -> None:
    call_id, headers = new_call()
    async with simulator.openai(timeout_s=0.2) as client:
        with pytest.raises(openai.APITimeoutError):
            await client.chat.completions.create(
                model="gpt-4o@in=10;out=8;fault=timeout", messages=OPENAI_HELLO, extra_headers=headers
            )
    line = await simulator.line(call_id)
    assert (line.state, line.http_status, line.billed, line.output_tokens) == ("served", None, True, 8)


async def test_first_limits_a_fault_to_the_first_attempts(simulator: RunningSimulator) -> None:
    directives = "fault=500;first=2"
    for attempt in ({"x-observatory-attempt": "1"}, {"x-observatory-attempt": "2"}, {}):
        with pytest.raises(openai.InternalServerError):
            await openai_call(simulator, directives, attempt, stream=False)
    await openai_call(simulator, directives, {"x-observatory-attempt": "3"}, stream=False)


async def test_an_attempt_that_is_no_number_is_refused(simulator: RunningSimulator) -> None:
    with pytest.raises(openai.BadRequestError, match="x-observatory-attempt"):
        await openai_call(simulator, "", {"x-observatory-attempt": "one"}, stream=False)


@pytest.mark.parametrize("place", ["model", "header", "text"])
async def test_a_fault_can_come_from_each_place(simulator: RunningSimulator, place: str) -> None:
    model = "gpt-4o@fault=503" if place == "model" else "gpt-4o"
    headers = {"x-sim": "fault=503"} if place == "header" else {}
    text = "hi [[sim fault=503]]" if place == "text" else "hi"
    async with simulator.openai() as client:
        with pytest.raises(openai.InternalServerError):
            await client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": text}], extra_headers=headers
            )


async def _read_into(texts: list[str], stream: openai.AsyncStream[ChatCompletionChunk]) -> None:
    async for chunk in stream:
        if chunk.choices[0].delta.content:
            texts.append(chunk.choices[0].delta.content)  # noqa: PERF401  # keeps what came before an error


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except json.JSONDecodeError:
        return False
    return True
