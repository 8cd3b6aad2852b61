"""`/api/v1/analytics/recommendations` asked over HTTP."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import aiohttp
import pytest_asyncio

from observatory.adapters.postgres.app import ApiKeys
from observatory.adapters.postgres.pool import Pool, open_pool
from observatory.adapters.postgres.recommendations import Run, keep, recommendation_id
from observatory.rules.recommendations import Recommendation
from tests.workers.gateway.conftest import Process, eventually

END = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=3)
RUN = Run(END - timedelta(days=10), END, END + timedelta(seconds=7), END + timedelta(seconds=9))


def prompt(tenant: str, saving_usd: str, name: str) -> Recommendation:
    return Recommendation(
        kind="cache_answers",
        tenant_id=tenant,
        subject={"provider": "openai", "model": "=m", "prompt_hash": name},
        saving_usd=Decimal(saving_usd),
        evidence={"calls": 3, "cost_usd": Decimal("0.0000001"), "first_at": END, "look_at": [str(uuid4())]},
    )


FAILURE = Recommendation(
    kind="avoid_failures",
    tenant_id="b",
    subject={"cause": "timeout"},
    saving_usd=Decimal("0.30"),
    evidence={"calls": 4, "cost_usd": Decimal(1)},
)
FOUND = [prompt("a", "1.000000000000000000001", "p1"), prompt("b", "1", "p2"), prompt("a", "1", "p3"), FAILURE]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pool(database_url: str) -> AsyncIterator[Pool]:
    made = await open_pool(database_url, size=1, application="test")
    await keep(made, RUN, FOUND)
    yield made
    await made.execute("TRUNCATE streams.recommendations, streams.recommendation_runs")
    await made.close()


async def get(
    http: aiohttp.ClientSession, gateway: Process, code: int = 200, key: str | None = None, **query: Any
) -> dict[str, Any]:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    url = f"{gateway.url}/api/v1/analytics/recommendations"
    async with http.get(url, params=query, headers=headers) as response:
        body = await response.json(content_type=None)
        assert response.status == code, body
        assert isinstance(body, dict)
        return body


async def test_the_largest_saving_comes_first_with_its_evidence_and_the_period_that_was_looked_at(
    pool: Pool, http: aiohttp.ClientSession, gateway: Process
) -> None:
    answer = await get(http, gateway)
    assert datetime.fromisoformat(answer["period"]["from"]) == RUN.began
    assert datetime.fromisoformat(answer["watermark"]) == RUN.watermark
    assert (answer["complete"], answer["next"]) == (True, None)
    assert [row["saving_usd"] for row in answer["rows"]] == ["1.000000000000000000001", "1", "1", "0.30"]
    first = answer["rows"][0]
    assert (first["evidence"]["cost_usd"], first["subject"]["prompt_hash"]) == ("0.0000001", "p1")
    assert first["advice"] == "Keep the answer and give it again: the same prompt was sent to =m 3 times."


async def test_pages_hold_each_once(pool: Pool, http: aiohttp.ClientSession, gateway: Process) -> None:
    seen: list[str] = []
    cursor: dict[str, Any] = {}
    while len(seen) <= len(FOUND):
        answer = await get(http, gateway, limit=1, **cursor)
        seen += [row["recommendation_id"] for row in answer["rows"]]
        if answer["next"] is None:
            break
        cursor = {"cursor": answer["next"]}
    assert sorted(seen) == sorted(str(recommendation_id(one)) for one in FOUND)


async def test_filters_and_what_is_refused(pool: Pool, http: aiohttp.ClientSession, gateway: Process) -> None:
    of_b = await get(http, gateway, tenant="b")
    assert {row["tenant_id"] for row in of_b["rows"]} == {"b"}
    failures = await get(http, gateway, kind="avoid_failures")
    assert [row["subject"] for row in failures["rows"]] == [{"cause": "timeout"}]
    for query in ({"from": "2026-01-01T00:00:00Z"}, {"last": "7d"}, {"kind": "wishes"}, {"unknown": "1"}):
        await get(http, gateway, 422, **query)
    await get(http, gateway, 400, cursor="nonsense")


async def test_as_csv_the_subject_has_columns(pool: Pool, http: aiohttp.ClientSession, gateway: Process) -> None:
    url = f"{gateway.url}/api/v1/analytics/recommendations?format=csv"
    async with http.get(url) as response:
        lines = list(csv.DictReader(io.StringIO(await response.text(), newline="")))
    assert [line["saving_usd"] for line in lines] == ["1.000000000000000000001", "1", "1", "0.30"]
    assert (lines[0]["subject_model"], lines[3]["subject_cause"]) == ("'=m", "timeout")


async def test_a_key_sees_its_own_tenant_only(pool: Pool, http: aiohttp.ClientSession, gateway: Process) -> None:
    _, text = await ApiKeys(pool).create("a", "test")

    async def key_is_needed() -> bool:
        async with http.get(f"{gateway.url}/api/v1/analytics/recommendations") as response:
            return response.status == 401

    try:
        await eventually("a key is needed", key_is_needed)
        answer = await get(http, gateway, key=text)
        assert [row["subject"]["prompt_hash"] for row in answer["rows"]] == ["p1", "p3"]
        await get(http, gateway, 403, key=text, tenant="b")
    finally:
        await pool.execute("DELETE FROM app.api_keys")
        await eventually("no key is needed", lambda: _not(key_is_needed))


async def _not(condition: Callable[[], Awaitable[bool]]) -> bool:
    return not await condition()
