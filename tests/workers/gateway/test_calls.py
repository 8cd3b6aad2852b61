"""`/api/v1/calls` over HTTP: every order and filter as SQL has it, pages that are the whole, a call and its request."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import aiohttp
import pytest
import pytest_asyncio

from observatory.adapters.kafka import topic_name
from observatory.adapters.postgres.pool import Pool, open_pool
from observatory.adapters.settings import KafkaSettings
from schemas.topics import LLM_CALLS
from tests.streams.ledger.calls import call, new_id
from tests.streams.ledger.writing import write_calls
from tests.workers.gateway.conftest import Process

START = datetime(2026, 9, 1, tzinfo=UTC)
TENANT = "calls-of"
TOKENS = """coalesce(uncached_input_tokens, 0) + coalesce(cache_read_tokens, 0) + coalesce(cache_write_5m_tokens, 0)
  + coalesce(cache_write_1h_tokens, 0) + coalesce(output_tokens, 0)"""
ORDERS = {
    "latest": "started_at", "cost": "coalesce(cost_usd, -1)", "latency": "coalesce(total_ms, -1)", "tokens": TOKENS,
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def calls(database_url: str, topics: KafkaSettings) -> AsyncIterator[Pool]:
    """Sixty calls of a day; twenty requests have two attempts, some calls no price, no duration, the same cost."""
    dice = random.Random(3)
    bodies = []
    for number in range(60):
        started = START + timedelta(minutes=dice.randrange(1440))
        bodies.append(
            call(
                tenant_id=TENANT,
                request_id=str(UUID(int=number // 3 * 2 + number % 2 + 1)),
                attempt=1 + (number % 3 == 2),
                started_at=started.isoformat(),
                first_token_at=None,
                ended_at=None,
                conversation_id=f"talk-{number % 4}",
                user_id=dice.choice(["u1", "u2", None]),
                status=dice.choice(["ok", "ok", "error"]),
                cost_usd=dice.choice(["0.25", "0.000000000123", None]),
                latency=dice.choice([None, {"total_ms": dice.uniform(1, 9000)}]),
                tags=dice.choice([{"team": "search"}, None]),
            )
        )
    pool = await open_pool(database_url, size=2, application="test")
    await write_calls(pool, topic_name(topics, LLM_CALLS), bodies)
    yield pool
    await pool.execute("DELETE FROM ledger.calls WHERE tenant_id = $1", TENANT)
    await pool.execute("DELETE FROM ledger.rollup_1m WHERE tenant_id = $1", TENANT)
    await pool.close()


async def ask(http: aiohttp.ClientSession, gateway: Process, path: str = "", code: int = 200, **query: object) -> Any:
    async with http.get(f"{gateway.url}/api/v1/calls{path}", params={k: str(v) for k, v in query.items()}) as response:
        body = await response.json(content_type=None)
        assert response.status == code, body
        return body


def day(**query: object) -> dict[str, Any]:
    return {"from": START.isoformat(), "to": (START + timedelta(days=1)).isoformat(), "tenant": TENANT, **query}


@pytest.mark.parametrize("order", list(ORDERS))
async def test_pages_of_every_order_are_the_whole_in_that_order(
    calls: Pool, http: aiohttp.ClientSession, gateway: Process, order: str
) -> None:
    wanted = await calls.fetch(
        f"SELECT call_id FROM ledger.calls WHERE tenant_id = $1 ORDER BY {ORDERS[order]} DESC, call_id DESC", TENANT
    )
    found: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = await ask(http, gateway, **day(order=order, limit=13), **cursor)
        found += [row["call_id"] for row in page["rows"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert found == [str(row["call_id"]) for row in wanted]
    assert page["watermark"] is not None


@pytest.mark.parametrize(
    ("filters", "where"),
    [
        ({"conversation": "talk-2"}, "conversation_id = 'talk-2'"),
        ({"user": "u1", "status": "error"}, "user_id = 'u1' AND status = 'error'"),
        ({"model": "gpt-4o-2024-11-20"}, "response_model = 'gpt-4o-2024-11-20'"),
        ({"tag:team": "search"}, "tags ->> 'team' = 'search'"),
        ({"tag:team') OR true --": "x"}, "false"),
    ],
)
async def test_only_what_is_asked_for_is_listed(
    calls: Pool, http: aiohttp.ClientSession, gateway: Process, filters: dict[str, Any], where: str
) -> None:
    wanted = await calls.fetchval(f"SELECT count(*) FROM ledger.calls WHERE tenant_id = $1 AND {where}", TENANT)
    assert len((await ask(http, gateway, **day(limit=100, **filters)))["rows"]) == wanted


async def test_one_call_has_all_that_is_known_and_the_others_of_its_request(
    calls: Pool, http: aiohttp.ClientSession, gateway: Process
) -> None:
    row = await calls.fetchrow("SELECT * FROM ledger.calls WHERE tenant_id = $1 AND attempt = 2 LIMIT 1", TENANT)
    assert row is not None
    detail = await ask(http, gateway, f"/{row['call_id']}")
    shown = detail["call"]
    for name in ("call_id", "request_id"):
        assert shown[name] == str(row[name])
    for name in ("attempt", "provider", "status", "total_ms", "queue_ms", "prompt_version"):
        assert shown[name] == row[name]
    assert (None if shown["cost_usd"] is None else Decimal(shown["cost_usd"])) == row["cost_usd"]
    assert shown["tokens"]["output_tokens"] == row["output_tokens"]
    others = await calls.fetch(
        "SELECT call_id FROM ledger.calls WHERE tenant_id = $1 AND request_id = $2 ORDER BY attempt, started_at",
        TENANT, row["request_id"],
    )  # fmt: skip
    assert [each["call_id"] for each in detail["attempts"]] == [str(other["call_id"]) for other in others]


async def test_what_is_not_there_or_makes_no_sense_is_refused(
    calls: Pool, http: aiohttp.ClientSession, gateway: Process
) -> None:
    await ask(http, gateway, f"/{new_id()}", code=404)
    await ask(http, gateway, "/none", code=422)
    await ask(http, gateway, code=422, **day(order="sideways"))
    await ask(http, gateway, code=400, **day(cursor="bm9uc2Vuc2U"))
    cost = await ask(http, gateway, **day(order="cost", limit=1))
    await ask(http, gateway, code=400, **day(order="latest", limit=1, cursor=cost["next"]))
