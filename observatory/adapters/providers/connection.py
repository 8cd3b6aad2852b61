"""How the providers' SDKs are connected: over aiohttp, with as many connections as calls, and without retries."""

from functools import lru_cache
from typing import Any

import httpx2
from openai import DefaultAioHttpClient

from observatory.adapters.providers.base import ChatCall

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


class ProviderHttpClient(DefaultAioHttpClient):
    """The SDKs' aiohttp client without what a provider's API has no use for: cookies, redirects, merged defaults.

    The SDKs give complete requests: absolute address, all headers, bytes. Measured, this is a fifth of a call's time.
    """

    def build_request(self, method: str, url: httpx2.URL | str, **given: Any) -> httpx2.Request:
        """The request as the SDK gave it; what the SDKs do not use for our calls is left to the general way."""
        content, headers, timeout = given.pop("content", None), given.pop("headers", None), given.pop("timeout", None)
        if content is None or headers is None or timeout is None or any(value is not None for value in given.values()):
            return super().build_request(method, url, content=content, headers=headers, timeout=timeout, **given)
        extensions = {"timeout": httpx2.Timeout(timeout).as_dict()}
        return httpx2.Request(method, _parsed(str(url)), content=content, headers=headers, extensions=extensions)

    async def send(self, request: httpx2.Request, *, stream: bool = False, **_: Any) -> httpx2.Response:
        """Sends it once, as it is. Raises `httpx2.TransportError`; a redirect is a status like any other."""
        response = await self._transport_for_url(request.url).handle_async_request(request)
        response.request = request
        if not stream:
            try:
                await response.aread()
            except BaseException:
                await response.aclose()
                raise
        return response


def http_client(concurrency: int) -> httpx2.AsyncClient:
    """A client whose pool never makes one of `concurrency` calls wait. Serves the SDKs of OpenAI and Anthropic."""
    connections = concurrency + SPARE_CONNECTIONS
    limits = httpx2.Limits(
        max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=KEEPALIVE_S
    )
    return ProviderHttpClient(limits=limits)


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
