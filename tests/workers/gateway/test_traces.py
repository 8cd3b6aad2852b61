"""`/api/v1/traces`: found by what they hold, page by page, each tenant's its own."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from decimal import Decimal

import aiohttp
import asyncpg
import msgspec
import pytest

from observatory.adapters.postgres.app import ApiKeys
from observatory.adapters.postgres.pool import open_pool
from observatory.rules.traces import ModelCall, Outline, Trace
from tests.workers.gateway.conftest import Process, eventually

NOW_US = time.time_ns() // 1_000


async def stored(
    database: asyncpg.Connection[asyncpg.Record], number: int, *, tenant: str = "default", cost: str = "0", ms: int = 1
) -> str:
    """A trace that began `number` seconds ago, of a call within a request."""
    trace_id = f"{number:032x}"
    trace, start = Trace(tenant, trace_id), NOW_US - number * 1_000_000
    call = ModelCall("sim", f"model-{number}", Decimal(cost), 7, 3)
    trace.add("a" * 16, Outline("", "gateway", "POST", start, start + ms * 1000))
    trace.add("b" * 16, Outline("a" * 16, "chat", "chat m", start, start + ms * 500, error=number == 3, call=call))
    trace.note("models", call.model)
    trace.note("user_ids", f"user-{number}")
    trace.note("conversation_ids", f"talk-{number}")
    await database.execute(
        "INSERT INTO streams.traces (part, key, version, touched_at, state) VALUES (0, $1, 1, now(), $2)",
        f"{tenant}{trace_id}", msgspec.json.encode(trace).decode(),
    )  # fmt: skip
    await database.executemany(
        """INSERT INTO ledger.spans (tenant_id, trace_id, span_id, start_at, start_ns, end_ns, service, name, kind,
             status, attributes, cost_usd)
           VALUES ($1, $2, $3, to_timestamp($4::bigint / 1e6), $4 * 1000, $4 * 1000 + 1, 's', 'n', 'client', 'unset',
             '{"a": [1]}', 0.5)""",
        [(tenant, trace_id, span_id * 16, start + n) for n, span_id in enumerate("abc")],
    )
    return trace_id


@pytest.fixture
async def traces(database: asyncpg.Connection[asyncpg.Record]) -> AsyncIterator[list[str]]:
    """Five traces of the tenant, latest first, and one of another."""
    await database.execute("TRUNCATE streams.traces, ledger.spans")
    found = [await stored(database, n, cost=f"0.{n}", ms=n * 10) for n in range(1, 6)]
    await stored(database, 9, tenant="another")
    yield found
    await database.execute("TRUNCATE streams.traces, ledger.spans")


async def ask(http: aiohttp.ClientSession, gateway: Process, **query: str) -> list[str]:
    """The ids of the traces that answer, over all pages of two."""
    found, cursor = [], None
    while True:
        given = {"limit": "2", **query} | ({"cursor": cursor} if cursor else {})
        async with http.get(f"{gateway.url}/api/v1/traces", params=given) as response:
            assert response.status == 200, await response.text()
            page = await response.json()
        found += [row["trace_id"] for row in page["rows"]]
        cursor = page["next"]
        if cursor is None:
            return found


async def test_traces_are_found_by_what_they_hold(
    gateway: Process, http: aiohttp.ClientSession, traces: list[str]
) -> None:
    assert await ask(http, gateway, tenant="default") == traces
    assert await ask(http, gateway) == [*traces, f"{9:032x}"]
    assert await ask(http, gateway, model="model-2") == [traces[1]]
    assert await ask(http, gateway, user="user-2", conversation="talk-2") == [traces[1]]
    assert await ask(http, gateway, user="user-2", conversation="talk-3") == []
    assert await ask(http, gateway, min_cost_usd="0.4") == traces[3:]
    assert await ask(http, gateway, min_duration_ms="40.001") == traces[4:]
    assert await ask(http, gateway, error="true") == [traces[2]]
    assert await ask(http, gateway, error="false", min_cost_usd="0.3") == traces[3:]
    assert await ask(http, gateway, **{"from": "2020-01-01T00:00:00Z", "to": "2020-01-02T00:00:00Z"}) == []


async def test_one_trace_has_its_shape_and_its_spans_page_by_page(
    gateway: Process, http: aiohttp.ClientSession, traces: list[str]
) -> None:
    url, spans, cursor = f"{gateway.url}/api/v1/traces/{traces[2]}", [], None
    while True:
        async with http.get(url, params={"limit": "2"} | ({"cursor": cursor} if cursor else {})) as response:
            trace = await response.json()
        spans += [span["span_id"][0] for span in trace["spans"]]
        cursor = trace["next"]
        if cursor is None:
            break
    assert spans == ["a", "b", "c"]
    assert trace["spans"][0]["attributes"] == {"a": [1]}
    assert (trace["cost_usd"], trace["input_tokens"], trace["duration_ms"]) == ("0.3", 7, 30)
    assert [(step["name"], step["self_ms"]) for step in trace["critical_path"]] == [("POST", 15), ("chat m", 15)]
    assert [(e["caller"], e["called"], e["errors"]) for e in trace["edges"]] == [
        ("chat", "sim", 1), ("gateway", "chat", 1),
    ]  # fmt: skip


async def test_a_list_comes_as_csv_too(gateway: Process, http: aiohttp.ClientSession, traces: list[str]) -> None:
    async with http.get(f"{gateway.url}/api/v1/traces", params={"format": "csv", "model": "model-1"}) as response:
        heading, row = (await response.text()).splitlines()
    figures = dict(zip(heading.split(","), row.split(","), strict=True))
    assert (figures["trace_id"], figures["cost_usd"], figures["root_service"]) == (traces[0], "0.1", "gateway")


async def test_a_wrong_question_is_refused(gateway: Process, http: aiohttp.ClientSession, traces: list[str]) -> None:
    wrong = ({"min_cost_usd": "much"}, {"sort": "cost"}, {"cursor": "nonsense"}, {"error": "perhaps"}, {"user": "\0"})
    for query in wrong:
        async with http.get(f"{gateway.url}/api/v1/traces", params=query) as response:
            assert response.status in (400, 422), query
            assert response.content_type == "application/problem+json"
    for path, status in (
        (f"{7:032x}", 404),
        ("nonsense", 422),
        (f"{traces[0]}?cursor=x", 400),
        (f"{traces[0]}?x=1", 422),
    ):
        async with http.get(f"{gateway.url}/api/v1/traces/{path}") as response:
            assert response.status == status, path


@pytest.fixture
async def key_of_another(
    gateway: Process, http: aiohttp.ClientSession, database: asyncpg.Connection[asyncpg.Record], database_url: str
) -> AsyncIterator[dict[str, str]]:
    """A key of the tenant `another` as headers; gone after the test, for the gateway too."""
    pool = await open_pool(database_url, size=1, application="test")
    _, text = await ApiKeys(pool).create("another", "test")
    await pool.close()
    await eventually("a key is needed", lambda: answers(http, gateway, {}, 401))
    yield {"authorization": f"Bearer {text}"}
    await database.execute("DELETE FROM app.api_keys")
    await eventually("nobody needs a key again", lambda: answers(http, gateway, {}, 200))


async def answers(http: aiohttp.ClientSession, gateway: Process, headers: dict[str, str], status: int) -> bool:
    async with http.get(f"{gateway.url}/api/v1/traces", headers=headers) as response:
        return response.status == status


async def test_a_key_sees_its_own_tenants_traces(
    gateway: Process, http: aiohttp.ClientSession, traces: list[str], key_of_another: dict[str, str]
) -> None:
    async with http.get(f"{gateway.url}/api/v1/traces", headers=key_of_another) as response:
        assert [row["tenant_id"] for row in (await response.json())["rows"]] == ["another"]
    for path, status in ((f"{9:032x}", 200), (traces[0], 404), (f"{traces[0]}?tenant=default", 403)):
        async with http.get(f"{gateway.url}/api/v1/traces/{path}", headers=key_of_another) as response:
            assert response.status == status, path
