"""`/api/v1/analytics/latency` over HTTP: every part of the time of calls as the facts have it, and its distribution."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from observatory.adapters.kafka import topic_name
from observatory.adapters.postgres.pool import Pool, open_pool
from observatory.adapters.postgres.rolling import roll
from observatory.adapters.settings import KafkaSettings
from observatory.rules.sketch import MAX_RELATIVE_ERROR
from schemas.topics import LLM_CALLS
from tests.streams.ledger.calls import call
from tests.streams.ledger.writing import write_calls
from tests.workers.gateway.conftest import Process

START = datetime(2026, 9, 4, tzinfo=UTC)
TENANT = "latency-of"
PARTS = {
    "waiting": "queue_ms",
    "policy": "policy_ms",
    "first_token": "ttft_ms",
    "streaming": "total_ms - ttft_ms",
    "unsplit": "CASE WHEN ttft_ms IS NULL THEN total_ms END",
}
SENT = "tenant_id = $1 AND status <> 'not_sent'"


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["facts", "sums", "partly taken back"])
async def calls(request: pytest.FixtureRequest, database_url: str, topics: KafkaSettings) -> AsyncIterator[Pool]:
    """Ninety calls of a day to two providers: some without a first token, some never sent, some tell of nothing."""
    dice = random.Random(11)
    bodies = []
    for _ in range(90):
        ttft = dice.choice([None, dice.lognormvariate(5, 1)])
        times = {"queue_ms": dice.uniform(0, 90), "policy_ms": dice.uniform(0, 5), "ttft_ms": ttft}
        bodies.append(
            call(
                tenant_id=TENANT,
                provider=dice.choice(["sim-openai", "sim-anthropic"]),
                started_at=(START + timedelta(minutes=dice.randrange(1440))).isoformat(),
                first_token_at=None,
                ended_at=None,
                status=dice.choice(["ok", "ok", "ok", "error", "not_sent"]),
                tags=dice.choice([{"team": "search"}, None]),
                latency=dice.choice([times | {"total_ms": (ttft or 0) + dice.lognormvariate(6, 1)}] * 5 + [None]),
            )
        )
    pool = await open_pool(database_url, size=2, application="test")
    topic = topic_name(topics, LLM_CALLS)
    await write_calls(pool, topic, bodies)
    if request.param != "facts":
        while await roll(pool, START + timedelta(days=1)):
            pass
        summed = "SELECT count(*) FROM ledger.rolled WHERE sums = 'rollup_1d_parts' AND bucket = $1"
        assert await pool.fetchval(summed, START) == 1
    if request.param == "partly taken back":
        await write_calls(pool, topic, [{**body, "revision": 2, "status": "error"} for body in bodies[:3]])
        assert await pool.fetchval("SELECT count(*) FROM ledger.rolled WHERE sums = 'rollup_1h_parts'") >= 21
    yield pool
    await pool.execute("DELETE FROM ledger.calls WHERE tenant_id = $1", TENANT)
    await pool.execute("DELETE FROM ledger.rollup_1m WHERE tenant_id = $1", TENANT)
    await pool.execute("TRUNCATE ledger.rolled, ledger.rollup_1h_parts, ledger.rollup_1d_parts")
    await pool.close()


async def ask(http: aiohttp.ClientSession, gateway: Process, path: str, code: int = 200, **query: object) -> Any:
    day = {"from": START.isoformat(), "to": (START + timedelta(days=1)).isoformat(), "tenant": TENANT}
    parameters = {name: str(value) for name, value in {**day, **query}.items() if value is not None}
    async with http.get(f"{gateway.url}/api/v1/analytics/latency/{path}", params=parameters) as response:
        body = await response.json(content_type=None)
        assert response.status == code, body
        return body


@pytest.mark.parametrize(
    ("query", "groups", "where"),
    [
        ({}, "NULL::text", "true"),
        ({"group_by": "provider"}, "provider", "true"),
        ({"group_by": "status", "tag:team": "search"}, "status", "tags ->> 'team' = 'search'"),
        ({"group_by": "model", "provider": "nobody"}, "response_model", "false"),
        ({"group_by": "status", "provider": "sim-openai"}, "status", "provider = 'sim-openai'"),
        ({"group_by": "tenant"}, "tenant_id", "true"),
        ({"tenant": None}, "NULL::text", "true"),
        ({"tenant": None, "group_by": "status"}, "status", "true"),
        ({"tenant": None, "group_by": "model"}, "response_model", "true"),
    ],
)
async def test_every_part_is_that_of_the_facts(
    calls: Pool, http: aiohttp.ClientSession, gateway: Process, query: dict[str, Any], groups: str, where: str
) -> None:
    rows = {row["group"]: row for row in (await ask(http, gateway, "parts", **query))["rows"]}
    names = await calls.fetch(f"SELECT DISTINCT {groups} AS name FROM ledger.calls WHERE {SENT} AND {where}", TENANT)
    assert rows.keys() == {row["name"] for row in names}
    for name, row in rows.items():
        of_group = f"{SENT} AND {where} AND {groups} IS NOT DISTINCT FROM $2"
        whole = 0.0
        for part, value in PARTS.items():
            wanted = await calls.fetchrow(
                f"""SELECT count({value}) AS calls, sum({value}) AS total, avg({value}) AS mean,
                           percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY {value}) AS percentiles
                      FROM ledger.calls WHERE {of_group}""",
                TENANT, name,
            )  # fmt: skip
            assert wanted is not None
            figures = row[part]
            assert figures["calls"] == wanted["calls"] > 0
            assert figures["mean_ms"] == pytest.approx(wanted["mean"])
            shown = [figures[f"p{percent}_ms"] for percent in (50, 95, 99)]
            assert shown == pytest.approx(wanted["percentiles"], rel=MAX_RELATIVE_ERROR + 1e-9)
            whole += wanted["total"]
        for part in PARTS:
            figures = row[part]
            assert figures["share"] == pytest.approx(figures["mean_ms"] * figures["calls"] / whole)


@pytest.mark.parametrize(("of", "column"), [("latency", "total_ms"), ("ttft", "ttft_ms")])
async def test_a_distribution_counts_each_call_in_its_band(
    calls: Pool, http: aiohttp.ClientSession, gateway: Process, of: str, column: str
) -> None:
    answer = await ask(http, gateway, "distribution", of=of, granularity="hour")
    found = [(row["at"], band) for row in answer["rows"] for band in row["bands"]]
    assert len(found) > 20
    for at, band in found:
        hour = datetime.fromisoformat(at)
        wanted = await calls.fetchval(
            f"""SELECT count(*) FROM ledger.calls WHERE {SENT} AND {column} > $2 AND {column} <= $3
                   AND started_at >= $4 AND started_at < $4 + interval '1 hour'""",
            TENANT, band["above_ms"], band["up_to_ms"], hour,
        )  # fmt: skip
        assert band["calls"] == wanted, (at, band)
    told = await calls.fetchval(f"SELECT count({column}) FROM ledger.calls WHERE {SENT}", TENANT)
    assert sum(band["calls"] for _, band in found) == sum(row["calls"] for row in answer["rows"]) == told


async def test_what_makes_no_sense_is_refused(calls: Pool, http: aiohttp.ClientSession, gateway: Process) -> None:
    await ask(http, gateway, "parts", code=422, group_by="weather")
    await ask(http, gateway, "parts", code=422, limit=3)
    await ask(http, gateway, "distribution", code=422, of="price")
    await ask(http, gateway, "distribution", code=422, granularity="minute", **{"from": "2020-01-01T00:00:00Z"})


async def test_parts_come_as_csv_too(calls: Pool, http: aiohttp.ClientSession, gateway: Process) -> None:
    day = {"from": START.isoformat(), "to": (START + timedelta(days=1)).isoformat(), "tenant": TENANT}
    query = {**day, "group_by": "provider", "format": "csv"}
    async with http.get(f"{gateway.url}/api/v1/analytics/latency/parts", params=query) as response:
        heading, *rows = (await response.text()).splitlines()
    assert heading.startswith("group,waiting_calls,waiting_share,waiting_mean_ms")
    assert {row.split(",")[0] for row in rows} == {"sim-openai", "sim-anthropic"}
