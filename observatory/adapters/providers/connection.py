"""How the providers' SDKs are connected: over aiohttp, with as many connections as calls, and without retries."""

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


def http_client(concurrency: int) -> httpx2.AsyncClient:
    """A client whose pool never makes one of `concurrency` calls wait. Serves the SDKs of OpenAI and Anthropic."""
    connections = concurrency + SPARE_CONNECTIONS
    limits = httpx2.Limits(
        max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=KEEPALIVE_S
    )
    return DefaultAioHttpClient(limits=limits)


def call_headers(call: ChatCall) -> dict[str, str]:
    """What names the attempt on the provider's side."""
    return {
        "x-observatory-call-id": str(call.call_id),
        "x-observatory-request-id": str(call.request_id),
        "x-observatory-attempt": str(call.attempt),
        "content-type": "application/json",
    }


def http_timeout(call: ChatCall) -> httpx2.Timeout:
    """No read may outlast the call's budget; a host that does not answer at all is given up sooner."""
    return httpx2.Timeout(call.timeout_s, connect=min(CONNECT_TIMEOUT_S, call.timeout_s))
