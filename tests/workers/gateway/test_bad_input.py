"""Bad input is refused with a clear text, in the shape of the surface that was asked, and nothing is published."""

from __future__ import annotations

import json

import aiohttp
import pytest
from yarl import URL

from observatory.adapters.kafka import new_producer, topic_name
from observatory.adapters.settings import KafkaSettings
from schemas.topics import CHAT_RESPONSES
from tests.workers.gateway.conftest import Process
from tests.workers.gateway.responder import Responder

OPENAI = "/v1/chat/completions"
SEND = "/api/v1/chat/send"
MESSAGES = [{"role": "user", "content": "text=hi"}]


def body(**fields: object) -> bytes:
    return json.dumps({"model": "m", "messages": MESSAGES, **fields}).encode()


BAD_EVERYWHERE: dict[str, tuple[bytes, int]] = {
    "empty": (b"", 400),
    "no JSON": (b"{", 400),
    "not an object": (b"[]", 400),
    "broken UTF-8": (body().replace(b"hi", b"\xff\xfe"), 400),
    "NaN": (body(temperature=float("nan")), 400),
    "NaN deep inside": (body(parameters={"a": [float("nan")]}), 400),
    "a lone surrogate": (body(user_id="\ud800"), 400),
    "a depth bomb": (body().replace(b'"text=hi"', b"[" * 100_000 + b"]" * 100_000), 400),
}
BAD_OPENAI: dict[str, tuple[bytes, str | None]] = {
    "no model": (json.dumps({"messages": MESSAGES}).encode(), "model"),
    "an empty model": (body(model=""), "model"),
    "a model that is a number": (body(model=4), "model"),
    "no messages": (json.dumps({"model": "m"}).encode(), "messages"),
    "empty messages": (body(messages=[]), "messages"),
    "too many messages": (body(messages=MESSAGES * 5000), "messages"),
    "an unknown role": (body(messages=[{"role": "king", "content": "x"}]), "messages[0].role"),
    "empty content": (body(messages=[{"role": "user", "content": ""}]), "messages[0].content"),
    "content of a wrong type": (body(messages=[{"role": "user", "content": 7}]), "messages[0].content"),
    "n of 2": (body(n=2), "n"),
    "a hot temperature": (body(temperature=3), "temperature"),
    "a temperature as text": (body(temperature="1"), "temperature"),
    "a negative length": (body(max_tokens=-1), "max_tokens"),
    "top_p out of range": (body(top_p=2), "top_p"),
    "stream as text": (body(stream="yes"), "stream"),
    "stream_options without a stream": (body(stream_options={"include_usage": True}), "stream_options"),
    "too deep for its readers": (body(metadata=json.loads("[" * 220 + "]" * 220)), None),
}
BAD_SEND: dict[str, tuple[bytes, str]] = {
    "an unknown field": (body(max_tokens=5), "/max_tokens"),
    "a naive deadline": (body(deadline="2026-01-01T00:00:00"), "/deadline"),
    "a deadline in seconds": (body(deadline="1800000000"), "/deadline"),
    "a deadline that is a number": (body(deadline=1800000000), "/deadline"),
    "a request_id that is no UUID": (body(request_id="7"), "/request_id"),
    "history without a conversation": (body(use_history=True), ""),
    "an unknown role": (body(messages=[{"role": "king", "content": "x"}]), "/messages/0/role"),
}


async def post(http: aiohttp.ClientSession, url: str, data: bytes, **headers: str) -> tuple[int, dict[str, object]]:
    sent = {"content-type": "application/json", **headers}
    async with http.post(url, data=data, headers=sent) as response:
        problem = json.loads(await response.read())
        if response.status >= 400 and "/api/" in url:
            assert response.content_type == "application/problem+json"
        return response.status, problem


@pytest.mark.parametrize("name", BAD_EVERYWHERE)
async def test_what_is_no_json_is_refused_by_both_surfaces(
    gateway: Process, http: aiohttp.ClientSession, name: str
) -> None:
    data, expected = BAD_EVERYWHERE[name]
    status, answer = await post(http, gateway.url + OPENAI, data)
    assert (status, list(answer)) == (expected, ["error"])
    status, problem = await post(http, gateway.url + SEND, data)
    assert status == expected
    assert problem.keys() >= {"type", "title", "status", "detail", "instance"}


@pytest.mark.parametrize("name", BAD_OPENAI)
async def test_openai_surface_names_the_field(gateway: Process, http: aiohttp.ClientSession, name: str) -> None:
    data, param = BAD_OPENAI[name]
    status, answer = await post(http, gateway.url + OPENAI, data)
    error = answer["error"]
    assert isinstance(error, dict)
    assert status == 400
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", "invalid_request", param)


@pytest.mark.parametrize("name", BAD_SEND)
async def test_api_points_at_the_field(gateway: Process, http: aiohttp.ClientSession, name: str) -> None:
    data, pointer = BAD_SEND[name]
    status, problem = await post(http, gateway.url + SEND, data)
    errors = problem["errors"]
    assert isinstance(errors, list)
    assert (status, errors[0]["pointer"]) == (422, pointer)


@pytest.mark.parametrize("path", [OPENAI, SEND])
async def test_another_content_type_is_415(gateway: Process, http: aiohttp.ClientSession, path: str) -> None:
    status, _ = await post(http, gateway.url + path, body(), **{"content-type": "text/plain"})
    assert status == 415


@pytest.mark.parametrize("path", [OPENAI, SEND])
async def test_an_announced_length_over_the_limit_is_413_at_once(
    gateway: Process, http: aiohttp.ClientSession, path: str
) -> None:
    status, _ = await post(http, gateway.url + path, b"{" + b" " * 8_000_001 + b"}")
    assert status == 413


async def test_a_chunked_body_over_the_limit_is_413(gateway: Process, http: aiohttp.ClientSession) -> None:
    async def endless() -> object:
        for _ in range(100):
            yield b" " * 100_000

    async with http.post(gateway.url + OPENAI, data=endless()) as response:
        assert response.status == 413


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Idempotency-Key", "x" * 256),
        ("x-observatory-tags", "no equals sign"),
        ("x-observatory-user", "y" * 257),
    ],
)
async def test_a_bad_header_is_400(gateway: Process, http: aiohttp.ClientSession, header: str, value: str) -> None:
    status, _ = await post(http, gateway.url + OPENAI, body(), **{header: value})
    assert status == 400


async def test_a_position_that_is_none_of_ours_is_400(gateway: Process, http: aiohttp.ClientSession) -> None:
    url = f"{gateway.url}/api/v1/chat/requests/00000000-0000-0000-0000-000000000001/events"
    for text in ("x", "1", "-1-5", "9999-1"):
        async with http.get(url, headers={"Last-Event-ID": text}) as response:
            assert response.status == 400, text


async def test_a_wrong_path_or_method_is_said_in_the_shape_of_its_surface(
    gateway: Process, http: aiohttp.ClientSession
) -> None:
    async with http.post(f"{gateway.url}/v1/messages", data=b"{}") as response:
        assert (response.status, (await response.json())["type"]) == (404, "error")
    async with http.get(gateway.url + OPENAI) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (405, "method_not_allowed")
    async with http.get(f"{gateway.url}/nothing") as response:
        assert (response.status, response.content_type) == (404, "application/problem+json")


EVER = "MDAwMS0wMS0wMVQwMDowMDowMCsxNDowMB8wMDAwMDAwMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDA"
"""A cursor of the year 1 in a zone where it is the year before, and of a UUID."""
BAD_QUESTIONS = {
    "/api/v1/conversations/%00": 422,
    "/api/v1/conversations/a%00b/messages": 422,
    "/api/v1/chat/history/%00": 422,
    "/api/v1/experiments/%00": 422,
    "/api/v1/analytics/experiments/a%00b": 422,
    "/api/v1/conversations/%0A%0D": 404,
    f"/api/v1/conversations?cursor={EVER}": 400,
    f"/api/v1/alerts?cursor={EVER}": 400,
    "/api/v1/traces?min_cost_usd=1e999999999": 422,
    "/api/v1/analytics/conversations?min_cost_usd=1e999999999": 422,
    "/api/v1/analytics/conversations?min_cost_usd=1e-999999999": 422,
    "/api/v1/prices?at=0001-01-01T00:00:00%2B14:00": 422,
    "/api/v1/prices?at=1800000000": 422,
}
BAD_BODIES = {
    "/api/v1/conversations": {"title": "a\0b"},
    "/api/v1/budgets": {"budget_id": "absurd", "limit_usd": "1e400000"},
}


@pytest.mark.parametrize("path", BAD_QUESTIONS)
async def test_a_question_that_no_table_can_answer_is_refused(
    gateway: Process, http: aiohttp.ClientSession, path: str
) -> None:
    async with http.get(URL(gateway.url + path, encoded=True)) as response:
        assert (response.status, response.content_type) == (BAD_QUESTIONS[path], "application/problem+json")


@pytest.mark.parametrize("path", BAD_BODIES)
async def test_a_body_that_no_table_can_hold_is_refused(
    gateway: Process, http: aiohttp.ClientSession, path: str
) -> None:
    status, _ = await post(http, gateway.url + path, json.dumps(BAD_BODIES[path]).encode())
    assert status == 422


async def test_answers_that_nobody_can_read_harm_no_client(
    gateway: Process, http: aiohttp.ClientSession, topics: KafkaSettings
) -> None:
    producer = new_producer(topics, "test")
    await producer.start()
    try:
        for partition in range(CHAT_RESPONSES.partitions):
            for value in (b'{"a":' * 3_000 + b"1" + b"}" * 3_000, b"", b"\xff", b"[]", b"{}"):
                await producer.send_and_wait(topic_name(topics, CHAT_RESPONSES), value, partition=partition)
    finally:
        await producer.stop()
    status, answer = await post(http, gateway.url + OPENAI, body())
    assert status == 200, answer
    assert gateway.process.poll() is None


async def test_nothing_that_was_refused_was_published(
    gateway: Process, http: aiohttp.ClientSession, responder: Responder
) -> None:
    before = len(responder.requests)
    for data, _ in BAD_OPENAI.values():
        await post(http, gateway.url + OPENAI, data)
    status, _ = await post(http, gateway.url + OPENAI, body())
    assert status == 200
    assert len(responder.requests) == before + 1
    assert responder.unreadable == []
