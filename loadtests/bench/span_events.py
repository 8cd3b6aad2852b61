"""Records of `trace.spans` as a working system writes them: four spans of a gateway, four of a worker make a trace."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from loadtests.bench.publishing import Event
from schemas.envelope import CONTENT_TYPE, SPEC_VERSION
from schemas.spans import SpansReceived

APART = timedelta(milliseconds=2)
TENANTS = 20
TENANT_PREFIX = "bench-"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HEADERS = (
    ("ce_specversion", SPEC_VERSION),
    ("ce_type", SpansReceived.ce_type.encode()),
    ("ce_source", b"/llm-observatory/bench"),
    ("content-type", CONTENT_TYPE),
)
_ROUTE = {"http.request.method": "POST", "http.route": "/v1/chat/completions", "http.response.status_code": 200}
_MODEL = {
    "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.response.model": "gpt-4o-mini", "gen_ai.usage.input_tokens": 300, "gen_ai.usage.output_tokens": 50,
}  # fmt: skip

Span = dict[str, object]


def span_events(count: int, until: datetime) -> Iterator[Event]:
    """`count` records, two in a row of one trace, the last trace begun at `until`."""
    traces = -(-count // 2)
    for number in range(traces):
        begun = until - (traces - number - 1) * APART
        yield from _trace(number, (begun - _EPOCH) // timedelta(microseconds=1) * 1000)


def _trace(number: int, begun_ns: int) -> Iterator[Event]:
    trace_id, ids = os.urandom(16).hex(), [os.urandom(8).hex() for _ in range(8)]

    def span(place: int, name: str, parent: int | None, **more: object) -> Span:
        start = begun_ns + place * 1_000_000
        ends = {"start_unix_nano": str(start), "end_unix_nano": str(start + (20 - place) * 10_000_000)}
        above = {} if parent is None else {"parent_span_id": ids[parent]}
        return {"span_id": ids[place], "name": name, **above, **ends, **more}

    call = {
        "kind": "client", "conversation_id": f"conversation-{number // 8}", "user_id": f"user-{number % 5000}",
        "request_id": _uuid_text(), "call_id": _uuid_text(), "cost_usd": "0.000123", "attributes": _MODEL,
    }  # fmt: skip
    gateway = [
        span(0, "POST /v1/chat/completions", None, kind="server", attributes=_ROUTE), span(1, "authorise", 0),
        span(2, "publish", 0, kind="producer"), span(3, "wait", 0),
    ]  # fmt: skip
    worker = [span(4, "claim", 0), span(5, "attempt", 0), span(6, "chat gpt-4o-mini", 5, **call), span(7, "settle", 0)]
    for service, spans in (("gateway", gateway), ("chat", worker)):
        body = {"trace_id": trace_id, "tenant_id": f"{TENANT_PREFIX}{number % TENANTS:02d}", "service": service}
        headers = (*_HEADERS, ("ce_id", _uuid_text().encode()))
        yield trace_id.encode(), json.dumps({**body, "spans": spans}).encode(), headers


def _uuid_text() -> str:
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
