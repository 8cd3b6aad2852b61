"""How the providers' SDKs are connected: over aiohttp, with as many connections as calls, and without retries."""

from functools import lru_cache
from typing import Any

import httpx2

from observatory.adapters.providers.base import ChatCall
from observatory.adapters.providers.transport import LATIN_1, AiohttpTransport

CONNECT_TIMEOUT_S = 5.0
KEEPALIVE_S = 15.0
SPARE_CONNECTIONS = 16
"""Beyond the calls in flight: those of calls that were just cancelled and are still closing."""

TELEMETRY_HEADERS = (
    "X-Stainless-Lang",
    "X-Stainless-Package-Version",
    "X-Stainless-OS",
    "X-Stainless-Arch",
    "X-Stainless-Runtime",
    "X-Stainless-Runtime-Version",
    "X-Stainless-Async",
)
"""What the SDKs tell of the machine they run on. Left out: nobody here needs it, and headers are much of their time."""


_parsed = lru_cache(1024)(httpx2.URL)
"""Addresses by their text: there are as many as models, and parsing one costs as much as sending to it."""


class _Request(httpx2.Request):
    """A request as an SDK gave it: absolute address, all headers, bytes. Host and length are added by aiohttp."""

    def __init__(self, method: str, url: str, headers: Any, timeout: httpx2.Timeout, content: bytes) -> None:
        stream, extensions = httpx2.ByteStream(content), {"timeout": timeout.as_dict()}
        super().__init__(method, _parsed(url), headers=headers, stream=stream, extensions=extensions)
        self.headers.encoding = LATIN_1
        self.body = content


class ProviderHttpClient(httpx2.AsyncClient):
    """The SDKs' HTTP client without what a provider's API has no use for: cookies, redirects, merged defaults.

    What is left between the SDK and aiohttp is what the SDK asks for.
    """

    def __init__(self, transport: AiohttpTransport) -> None:
        super().__init__(transport=transport)
        self._sends = transport

    def build_request(self, method: str, url: httpx2.URL | str, **given: Any) -> httpx2.Request:
        """The request as the SDK gave it; what the SDKs do not use for our calls is left to the general way."""
        content, headers, timeout = given.pop("content", None), given.pop("headers", None), given.pop("timeout", None)
        if not isinstance(content, bytes) or headers is None or any(value is not None for value in given.values()):
            return super().build_request(method, url, content=content, headers=headers, timeout=timeout, **given)
        return _Request(method, str(url), headers, httpx2.Timeout(timeout), content)

    async def send(self, request: httpx2.Request, *, stream: bool = False, **_: Any) -> httpx2.Response:
        """Sends it once, as it is. Raises `httpx2.TransportError`; a redirect is a status like any other."""
        body = request.body if isinstance(request, _Request) else await request.aread()
        response = await self._sends.send(request, body)
        if not stream:
            await response.aread()
        return response


def http_client(concurrency: int) -> httpx2.AsyncClient:
    """A client whose pool never makes one of `concurrency` calls wait. Serves the SDKs of OpenAI and Anthropic."""
    return ProviderHttpClient(AiohttpTransport(concurrency + SPARE_CONNECTIONS, KEEPALIVE_S))


def call_headers(call: ChatCall) -> dict[str, str]:
    """What names the attempt on the provider's side, and its span."""
    headers = {
        "x-observatory-call-id": str(call.call_id),
        "x-observatory-request-id": str(call.request_id),
        "x-observatory-attempt": str(call.attempt),
        "content-type": "application/json",
    }
    if call.traceparent is not None:
        headers["traceparent"] = call.traceparent
    return headers


def http_timeout(call: ChatCall) -> httpx2.Timeout:
    """No read may outlast the call's budget; a host that does not answer at all is given up sooner."""
    return httpx2.Timeout(call.timeout_s, connect=min(CONNECT_TIMEOUT_S, call.timeout_s))
