"""`/api/v1/analytics/conversations/{conversation_id}` over HTTP: turn by turn, as the facts have it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import aiohttp
import pytest_asyncio

from observatory.adapters.kafka import topic_name
from observatory.adapters.postgres.pool import Pool, open_pool
from observatory.adapters.settings import KafkaSettings
from schemas.topics import LLM_CALLS
from tests.streams.ledger.calls import call
from tests.streams.ledger.writing import write_calls
from tests.workers.gateway.conftest import Process

START = datetime(2026, 9, 6, tzinfo=UTC)
TENANT = "turns-of"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def calls(database_url: str, topics: KafkaSettings) -> AsyncIterator[Pool]:
    """Seven turns; every third took two attempts, of which the first failed, and one has no price. One of another's."""
    bodies = [
        call(
            tenant_id=TENANT,
            conversation_id="talk",
            request_id=str(UUID(int=900 - number)),
            attempt=attempt,
            started_at=(START + timedelta(days=number, seconds=attempt)).isoformat(),
            first_token_at=None,
            ended_at=None,
            status="ok" if attempt == attempts else "error",
            cost_usd=None if number == 4 else f"0.{number + 1}00000000{attempt}",
        )
        for number, attempts in enumerate([1, 1, 2, 1, 1, 2, 1])
        for attempt in range(1, attempts + 1)
    ]
    bodies.append(call(tenant_id=f"{TENANT}-other", conversation_id="talk", started_at=START.isoformat()))
    pool = await open_pool(database_url, size=2, application="test")
    await write_calls(pool, topic_name(topics, LLM_CALLS), bodies)
    yield pool
    await pool.execute("DELETE FROM ledger.calls WHERE tenant_id LIKE $1 || '%'", TENANT)
    await pool.execute("DELETE FROM ledger.rollup_1m WHERE tenant_id LIKE $1 || '%'", TENANT)
    await pool.close()


async def ask(http: aiohttp.ClientSession, gateway: Process, name: str, /, code: int = 200, **query: Any) -> Any:
    async with http.get(f"{gateway.url}/api/v1/analytics/conversations/{name}", params=query) as response:
        body = await response.json(content_type=None)
        assert response.status == code, body
        return body


async def test_a_conversation_is_told_turn_by_turn(calls: Pool, http: aiohttp.ClientSession, gateway: Process) -> None:
    answer = await ask(http, gateway, "talk", tenant=TENANT)
    turns = answer["rows"]
    assert [turn["request_id"] for turn in turns] == [str(UUID(int=900 - number)) for number in range(7)]
    for turn in turns:
        facts = await calls.fetch(
            "SELECT call_id, status, cost_usd FROM ledger.calls WHERE request_id = $1 AND tenant_id = $2"
            " ORDER BY attempt",
            turn["request_id"], TENANT,
        )  # fmt: skip
        assert [each["call_id"] for each in turn["calls"]] == [str(fact["call_id"]) for fact in facts]
        assert turn["status"] == facts[-1]["status"] == "ok"
        assert Decimal(turn["cost_usd"]) == sum((fact["cost_usd"] or Decimal(0)) for fact in facts)
        assert turn["unpriced_calls"] == sum(fact["cost_usd"] is None for fact in facts)
    total = await calls.fetchval("SELECT sum(cost_usd) FROM ledger.calls WHERE tenant_id = $1", TENANT)
    assert Decimal(answer["cost_usd"]) == total
    assert (answer["turns"], answer["calls"], answer["errors"], answer["unpriced_calls"]) == (7, 9, 2, 1)
    assert answer["watermark"] is not None


async def test_pages_are_the_whole(calls: Pool, http: aiohttp.ClientSession, gateway: Process) -> None:
    found: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = await ask(http, gateway, "talk", tenant=TENANT, limit="3", **cursor)
        found += [turn["request_id"] for turn in page["rows"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert found == [str(UUID(int=900 - number)) for number in range(7)]


async def test_without_a_tenant_it_is_everybodys_and_what_is_not_there_is_refused(
    calls: Pool, http: aiohttp.ClientSession, gateway: Process
) -> None:
    assert (await ask(http, gateway, "talk"))["turns"] == 8
    await ask(http, gateway, "talk", 404, tenant="nobody")
    await ask(http, gateway, "talk", 400, cursor="nonsense")
    await ask(http, gateway, "talk", 422, limit="0")
