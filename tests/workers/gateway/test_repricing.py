"""`/api/v1/repricing`: jobs and their exact reports over HTTP, with what each key may see."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from observatory.adapters.postgres.app import ApiKeys
from observatory.adapters.postgres.pool import Pool, open_pool
from observatory.adapters.postgres.repricing import Job, Wish, create_job
from observatory.adapters.prices import SHIPPED_VERSION, shipped_book
from observatory.adapters.repricing import run_job
from tests.workers.gateway.conftest import ROOT, Process, eventually

FACTS = (ROOT / "loadtests" / "bench" / "sql" / "generate_facts.sql").read_text()
NOW = datetime.now(UTC)
OF_ONE_TENANT = Wish(
    asked="test", since=NOW - timedelta(hours=1), until=NOW + timedelta(hours=1), tenant_id="bench-07", model=None,
    price_version=SHIPPED_VERSION,
)  # fmt: skip

Answer = tuple[int, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pool(database_url: str) -> AsyncIterator[Pool]:
    made = await open_pool(database_url, size=2, application="test")
    await made.execute(FACTS, 800, NOW)
    yield made
    await made.execute("DELETE FROM ledger.calls WHERE tenant_id LIKE 'bench-%'")
    await made.close()


async def done(pool: Pool, database_url: str, wish: Wish) -> Job:
    job = await create_job(pool, wish)
    return await run_job(database_url, job.job_id, shipped_book(), lambda _: None)


async def get(http: aiohttp.ClientSession, gateway: Process, path: str = "", key: str | None = None) -> Answer:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    async with http.get(f"{gateway.url}/api/v1/repricing{path}", headers=headers) as response:
        return response.status, await response.json(content_type=None)


async def test_a_report_has_both_costs_by_tenant_and_model(
    pool: Pool, database_url: str, http: aiohttp.ClientSession, gateway: Process
) -> None:
    job = await done(pool, database_url, OF_ONE_TENANT)
    status, report = await get(http, gateway, f"/{job.job_id}")
    assert (status, report["job"]["job_id"], report["job"]["state"]) == (200, job.job_id, "done")
    total = report["total"]
    assert (total["calls"], total["tenant_id"]) == (40, None)
    assert (Decimal(total["cost_before_usd"]), Decimal(total["cost_after_usd"])) == (
        40 * Decimal("0.00123"), job.cost_after_usd,
    )  # fmt: skip
    assert {group["tenant_id"] for group in report["groups"]} == {"bench-07"}
    assert len(report["groups"]) == 4
    for name in ("cost_before_usd", "cost_after_usd", "difference_usd"):
        assert sum(Decimal(group[name]) for group in report["groups"]) == Decimal(total[name])
    status, page = await get(http, gateway, "?limit=1")
    assert (status, [listed["job_id"] for listed in page["jobs"]]) == (200, [job.job_id])


@pytest.mark.parametrize(("path", "status"), [("/999999999", 404), ("/0", 422), ("/x", 422), ("?limit=0", 422)])
async def test_what_is_not_there_or_makes_no_sense_is_refused(
    http: aiohttp.ClientSession, gateway: Process, pool: Pool, path: str, status: int
) -> None:
    assert (await get(http, gateway, path))[0] == status


async def test_a_key_sees_the_jobs_of_its_tenant_only(
    pool: Pool, database_url: str, http: aiohttp.ClientSession, gateway: Process
) -> None:
    mine = await done(pool, database_url, OF_ONE_TENANT)
    everybodys = await done(pool, database_url, replace(OF_ONE_TENANT, tenant_id=None))
    _, text = await ApiKeys(pool).create("bench-07", "test")

    async def key_is_needed() -> bool:
        return (await get(http, gateway))[0] == 401

    async def nobody_needs_a_key() -> bool:
        return (await get(http, gateway))[0] == 200

    try:
        await eventually("a key is needed", key_is_needed)
        assert (await get(http, gateway, f"/{mine.job_id}", text))[0] == 200
        assert (await get(http, gateway, f"/{everybodys.job_id}", text))[0] == 404
        _, page = await get(http, gateway, "?limit=100", text)
        assert {listed["tenant_id"] for listed in page["jobs"]} == {"bench-07"}
    finally:
        await pool.execute("DELETE FROM app.api_keys")
        await eventually("nobody needs a key again", nobody_needs_a_key)
