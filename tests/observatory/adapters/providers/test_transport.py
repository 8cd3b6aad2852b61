"""The providers' HTTP over real sockets, against a server that sends the bytes of the test."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator

import aiohttp
import httpx2
import pytest

from observatory.adapters.providers.connection import http_client

JSON = b'{"text":"gr\xc3\xbc\xc3\x9fe"}'
PACKED = gzip.compress(JSON)
CLOSING = b"connection: close\r\n"
GZIPPED = (
    b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nx-name: caf\xe9\r\n%scontent-length: %d\r\n\r\n"
    % (CLOSING, len(PACKED))
    + PACKED
)
CUT = b"HTTP/1.1 200 OK\r\n%scontent-length: 100\r\n\r\n{" % CLOSING
REFUSED = b"HTTP/1.1 429 Too Many\r\n%sretry-after: 7\r\ncontent-length: 2\r\n\r\n{}" % CLOSING


class Server:
    """Answers every request on one port with the same bytes, then closes; `heads` are the requests' heads."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self.heads: list[bytes] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with contextlib.suppress(asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length or 0))
            writer.write(self._answer)
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def serving(answer: bytes) -> AsyncIterator[Server]:
    server = Server(answer)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with listening:
        yield server


async def sent(client: httpx2.AsyncClient, url: str, *, stream: bool = False) -> httpx2.Response:
    """The response to a small request, of a stream only its head."""
    headers, timeout = [("x-call", "1"), ("Content-Type", "application/json")], httpx2.Timeout(5.0)
    request = client.build_request("POST", url, content=b'{"a":1}', headers=headers, timeout=timeout)
    return await client.send(request, stream=stream)


async def received(client: httpx2.AsyncClient, url: str, *, stream: bool) -> bytes:
    """The body of the response, in parts when it is a stream."""
    response = await sent(client, url, stream=stream)
    return b"".join([part async for part in response.aiter_bytes()]) if stream else response.content


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with http_client(4) as made:
        yield made


async def test_a_body_comes_decompressed_whole_or_in_parts(client: httpx2.AsyncClient) -> None:
    async with serving(GZIPPED) as server:
        whole = await sent(client, server.url)
        assert await received(client, server.url, stream=True) == JSON
    assert whole.content == JSON
    assert whole.json() == {"text": "grüße"}
    assert whole.headers["x-name"] == "café"


async def test_a_request_is_sent_as_it_was_given_with_host_and_length(client: httpx2.AsyncClient) -> None:
    async with serving(GZIPPED) as server:
        await sent(client, server.url + "/v1/a%2Fb?x=%C3%A9")
    line, *fields = server.heads[0].decode().strip().split("\r\n")
    names = [field.partition(":")[0].lower() for field in fields]
    assert line == "POST /v1/a%2Fb?x=%C3%A9 HTTP/1.1"
    assert "content-length: 7" in map(str.lower, fields)
    assert "x-call: 1" in fields
    assert names.count("host") == names.count("content-type") == 1


async def test_a_refusal_of_a_stream_can_be_read(client: httpx2.AsyncClient) -> None:
    async with serving(REFUSED) as server:
        response = await sent(client, server.url, stream=True)
        with pytest.raises(httpx2.ResponseNotRead):
            assert response.content
        assert await response.aread() == response.content == b"{}"
    assert (response.status_code, response.headers["retry-after"], response.is_closed) == (429, "7", True)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_is_cut_is_an_error_of_the_transport(client: httpx2.AsyncClient, stream: bool) -> None:
    async with serving(CUT) as server:
        with pytest.raises(httpx2.TransportError) as lost:
            await received(client, server.url, stream=stream)
    assert isinstance(lost.value.__cause__, aiohttp.ClientPayloadError)


async def test_the_proxy_of_the_environment_is_asked(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(GZIPPED) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "direct.invalid")
        response = await sent(client, "http://provider.invalid/v1")
        with pytest.raises(httpx2.TransportError) as lost:
            await sent(client, "http://direct.invalid/v1")
    assert response.content == JSON
    assert proxy.heads[0].startswith(b"POST http://provider.invalid/v1 HTTP/1.1")
    assert isinstance(lost.value.__cause__, aiohttp.ClientConnectorError)
