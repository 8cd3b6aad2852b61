"""What carries the SDKs' requests to a provider: aiohttp, and nothing between it and them that a call does not need."""

import urllib.request
from collections.abc import AsyncIterator
from functools import lru_cache

import aiohttp
import httpx2
from yarl import URL

LATIN_1 = "iso-8859-1"
"""How header fields are read: all bytes have a text in it, so that none need be looked at to find out."""

_FAILED = (aiohttp.ClientError, OSError)  # of which TimeoutError is one


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """Sends each request once, as it is, over at most `connections` connections, which are kept for `keepalive_s`.

    The session begins with the first request, in the running loop. Proxies are those of the environment.
    """

    def __init__(self, connections: int, keepalive_s: float) -> None:
        self._connections, self._keepalive_s = connections, keepalive_s
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The head of the response, whose body is read from it. Raises `httpx2.TransportError`."""
        return await self.send(request, await request.aread())

    async def send(self, request: httpx2.Request, body: bytes) -> httpx2.Response:
        """As `handle_async_request`, for a request whose body is at hand."""
        url, proxy = _way_to(str(request.url))
        limits_s = request.extensions["timeout"]
        try:
            received = await self._opened().request(
                request.method,
                url,
                headers=request.headers.multi_items(),
                data=body,
                proxy=proxy,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    connect=limits_s["pool"], sock_connect=limits_s["connect"], sock_read=limits_s["read"]
                ),
            )
        except _FAILED as error:
            raise _lost(error, request) from error
        return _Response(received, request)

    async def aclose(self) -> None:
        """Closes the connections."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=self._connections, keepalive_timeout=self._keepalive_s, ssl=httpx2.create_ssl_context()
            )
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._session


class _Response(httpx2.Response):
    """What aiohttp receives, and decompresses. The whole body is read by it too, and not part by part."""

    def __init__(self, received: aiohttp.ClientResponse, request: httpx2.Request) -> None:
        headers = [field for field in received.raw_headers if field[0].lower() != b"content-encoding"]
        super().__init__(received.status, headers=headers, stream=_Stream(received, request), request=request)
        self.headers.encoding = LATIN_1
        self._received = received
        self._body: bytes | None = None

    async def aread(self) -> bytes:
        """The whole body. Raises `httpx2.TransportError`."""
        if self._body is None:
            try:
                self._body = await self._received.read()
            except _FAILED as error:
                raise _lost(error, self.request) from error
            self.is_closed = self.is_stream_consumed = True
        return self._body

    @property
    def content(self) -> bytes:
        """The body, once it has been read."""
        if self._body is None:
            raise httpx2.ResponseNotRead
        return self._body


class _Stream(httpx2.AsyncByteStream):
    """The body as it comes. Raises `httpx2.TransportError`."""

    def __init__(self, received: aiohttp.ClientResponse, request: httpx2.Request) -> None:
        self._received, self._request = received, request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._received.content.iter_any():
                yield part
        except _FAILED as error:
            raise _lost(error, self._request) from error

    async def aclose(self) -> None:
        """Ends the connection of an answer that was not read to its end."""
        self._received.close()


@lru_cache(1024)
def _way_to(address: str) -> tuple[URL, str | None]:
    """The address, which is to be sent as it is, and the proxy on the way there, if there is one."""
    url, proxies = URL(address, encoded=True), urllib.request.getproxies()
    if urllib.request.proxy_bypass(url.host or ""):
        return url, None
    return url, proxies.get(url.scheme) or proxies.get("all")


def _lost(error: Exception, request: httpx2.Request) -> httpx2.TransportError:
    return httpx2.TransportError(f"{type(error).__name__}: {error}", request=request)
