"""HTTP/1.1 over raw sockets: what the SDKs never send, but somebody will."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from loadtests.simulator.http import MAX_BODY_BYTES, MAX_HEAD_BYTES
from tests.loadtests.simulator.running import RunningSimulator, new_call

PATH = "/v1/chat/completions"


def chat(text: str = "hi", model: str = "gpt-4o-mini", **more: object) -> bytes:
    return json.dumps({"model": model, "messages": [{"role": "user", "content": text}], **more}).encode()


def post(body: bytes, *headers: str, version: str = "1.1") -> bytes:
    lines = [f"POST {PATH} HTTP/{version}", "host: x", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def connected(simulator: RunningSimulator) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """One answer with a content length: status, headers, body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    return int(head[0].split()[1]), headers, await reader.readexactly(int(headers["content-length"]))


async def test_a_connection_is_kept_and_pipelined_requests_are_answered_in_order(simulator: RunningSimulator) -> None:
    waits = [30, 0, 10, 0, 0]
    requests = [post(chat(f"number {number}", f"gpt-4o-mini@latency={wait}")) for number, wait in enumerate(waits)]
    async with connected(simulator) as (reader, writer):
        writer.write(b"".join(requests))
        for number in range(len(waits)):
            status, _, body = await read_answer(reader)
            assert status == 200
            assert f"number {number}" in json.loads(body)["choices"][0]["message"]["content"]


async def test_thousands_of_pipelined_requests_are_all_answered(simulator: RunningSimulator) -> None:
    count = 3000
    async with connected(simulator) as (reader, writer):
        writing = asyncio.ensure_future(_write_all(writer, post(chat()) * count))
        for _ in range(count):
            assert (await read_answer(reader))[0] == 200
        await writing


async def test_a_request_may_come_byte_by_byte(simulator: RunningSimulator) -> None:
    async with connected(simulator) as (reader, writer):
        for byte in post(chat()):
            writer.write(bytes([byte]))
            await writer.drain()
        assert (await read_answer(reader))[0] == 200


async def test_a_chunked_request_body_is_read(simulator: RunningSimulator) -> None:
    body = chat()
    head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:7], body[7:]))
    async with connected(simulator) as (reader, writer):
        writer.write(head + chunks + b"0\r\n\r\n")
        assert (await read_answer(reader))[0] == 200


async def test_expect_continue_is_answered_before_the_body(simulator: RunningSimulator) -> None:
    body = chat()
    async with connected(simulator) as (reader, writer):
        writer.write(post(body, "expect: 100-continue")[: -len(body)])
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert (await read_answer(reader))[0] == 200


async def test_a_context_of_a_million_characters_passes(simulator: RunningSimulator) -> None:
    async with connected(simulator) as (reader, writer):
        writer.write(post(chat("ü" * 1_000_000)))
        status, _, body = await read_answer(reader)
    assert status == 200
    assert json.loads(body)["usage"]["prompt_tokens"] == 250_000


@pytest.mark.parametrize("request_bytes", [b"\x16\x03\x01 hello\r\n\r\n", b"GET\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n"])
async def test_what_is_not_http_gets_400_and_a_closed_connection(
    simulator: RunningSimulator, request_bytes: bytes
) -> None:
    async with connected(simulator) as (reader, writer):
        writer.write(request_bytes)
        status, headers, _ = await read_answer(reader)
        assert (status, headers["connection"]) == (400, "close")
        assert await reader.read() == b""


async def test_a_body_or_a_head_that_is_too_large_is_refused(simulator: RunningSimulator) -> None:
    async with connected(simulator) as (reader, writer):
        writer.write(f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: {MAX_BODY_BYTES + 1}\r\n\r\n".encode())
        assert (await read_answer(reader))[0] == 413
    async with connected(simulator) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nx: " + b"x" * MAX_HEAD_BYTES)
        assert (await read_answer(reader))[0] == 431


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "\xff"}]}',
        b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"model": "gpt-4o", "temperature": NaN, "messages": [{"role": "user", "content": "hi"}]}',
        b'{"model": 3, "messages": [{"role": "user", "content": "hi"}]}',
        b'{"messages": [{"role": "user", "content": "hi"}]}',
        b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "tools": ' + b"[" * 100_000,
    ],
)
async def test_a_body_that_cannot_be_read_is_refused_and_in_the_bill(simulator: RunningSimulator, body: bytes) -> None:
    call_id, _ = new_call()
    async with connected(simulator) as (reader, writer):
        writer.write(post(body, f"x-observatory-call-id: {call_id}") + post(chat()))
        status, _, answer = await read_answer(reader)
        assert status == 400
        assert json.loads(answer)["error"]["type"] == "invalid_request_error"
        assert (await read_answer(reader))[0] == 200
    assert (await simulator.line(call_id)).state == "refused"


@pytest.mark.parametrize("depth", [100, 400, 700, 900])
async def test_deep_nesting_is_answered_or_refused(simulator: RunningSimulator, depth: int) -> None:
    call_id, _ = new_call()
    schema = b'{"type":"object","properties":{"a":' * depth + b"{}" + b"}}" * depth
    tool = b'{"type": "function", "function": {"name": "f", "parameters": ' + schema + b"}}"
    body = b'{"model": "gpt-4o@tool=1", "messages": [{"role": "user", "content": "hi"}], "tools": [' + tool + b"]}"
    async with connected(simulator) as (reader, writer):
        writer.write(post(body, f"x-observatory-call-id: {call_id}"))
        status, _, _ = await read_answer(reader)
    assert status in (200, 400)
    assert (await simulator.line(call_id)).http_status == status


async def test_an_old_client_gets_its_stream_without_chunks_and_a_closed_connection(
    simulator: RunningSimulator,
) -> None:
    async with connected(simulator) as (reader, writer):
        writer.write(post(chat(stream=True), version="1.0"))
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert body.startswith(b"data: ")
    assert body.endswith(b"data: [DONE]\n\n")


async def test_a_huge_stream_waits_for_a_slow_reader_who_gets_all_of_it(simulator: RunningSimulator) -> None:
    call_id, _ = new_call()
    model = "gpt-4o-mini@out=60000"
    async with connected(simulator) as (reader, writer), connected(simulator) as (other_reader, other_writer):
        writer.write(post(chat(model=model, stream=True), f"x-observatory-call-id: {call_id}", version="1.0"))
        await simulator.open_line(call_id)
        for _ in range(600):  # more turns of its loop than it would need to send everything
            other_writer.write(b"GET /sim/health HTTP/1.1\r\nhost: x\r\n\r\n")
            await read_answer(other_reader)
        assert simulator.lines()[call_id].state == "open"
        body = await reader.read()
    assert body.count(b'"content"') == 60_001
    assert (await simulator.line(call_id)).output_tokens == 60_000


async def test_an_unknown_address_is_not_found(simulator: RunningSimulator) -> None:
    async with connected(simulator) as (reader, writer):
        writer.write(b"GET /v1/chat/completions HTTP/1.1\r\nhost: x\r\n\r\nGET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await read_answer(reader))[0] == 404
        assert (await read_answer(reader))[0] == 404


async def _write_all(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()
