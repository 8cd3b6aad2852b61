"""`/api/v1/search`: names and ids by their beginning, of one's own tenant, out of indexes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import orjson
import pytest
import pytest_asyncio

from observatory.adapters.postgres.app import ApiKeys
from observatory.adapters.postgres.pool import Pool, open_pool
from observatory.adapters.postgres.search import _SQL, search
from observatory.adapters.settings import KafkaSettings
from tests.databases import new_database
from tests.stack import LiveStack
from tests.workers.gateway.conftest import Process, running

CALL, REQUEST = "5e11aaaa-0000-4000-8000-00000000000", "5e11bbbb-0000-4000-8000-00000000000"
TRACE = "5e11cccc00000000000000000000000"
STATE = {"last_us": 1_700_000_000_000_000, "sums": {"cost_usd": "0", "tokens": [0] * 9, "start_us": 1, "end_us": 2}}


@dataclass(frozen=True)
class World:
    gateway: Process
    key: str
    pool: Pool

    async def ask(self, status: int = 200, **query: str) -> Any:
        headers = {"Authorization": f"Bearer {self.key}"}
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.get(f"{self.gateway.url}/api/v1/search", params=query) as response,
        ):
            assert response.status == status, await response.text()
            return await response.json(content_type=None)

    async def hits(self, text: str) -> list[tuple[str, str]]:
        """What a key of the tenant `mine` finds."""
        return [(hit["kind"], hit["id"]) for hit in (await self.ask(q=text))["hits"]]

    async def all_hits(self, text: str, limit: int = 5) -> list[tuple[str, str | None, str]]:
        """What is found among all tenants."""
        async with self.pool.acquire() as connection:
            return [(hit.kind, hit.tenant_id, hit.id) for hit in await search(connection, text, None, limit)]


async def fill(pool: Pool) -> None:
    """Two tenants with the same names, and ids with the same beginning."""
    now = datetime.now(UTC)
    for number, tenant in enumerate(("mine", "theirs")):
        for name in ("Talk 1", "Talk 10", "Talk_2", "talk 1"):
            state = STATE | {"tenant_id": tenant, "conversation_id": name, "scores": {}}
            await stored(pool, "conversations", f"{tenant} {name}", state)
        for part, name in ((0, "bob"), (1, "bob"), (0, "bobby"), (0, "Émile")):
            await stored(pool, "users", f"{tenant} {name}", STATE | {"tenant_id": tenant, "user_id": name}, part)
        trace = STATE | {"tenant_id": tenant, "trace_id": f"{TRACE}{number}", "conversation_ids": [], "user_ids": []}
        trace |= {"models": [], "sums": {"start_us": 1, "end_us": 2, "errors": 0, "cost_usd": "0"}}
        await stored(pool, "traces", tenant, trace)
        await pool.execute(
            """INSERT INTO ledger.calls (call_id, revision, request_id, attempt, source, tenant_id, operation, provider,
                 request_model, status, usage_source, cost_state, started_at, topic_partition, topic_offset)
               VALUES ($1, 1, $2, 1, 'worker', $3, 'chat', 'p', 'm-1', 'ok', 'provider', 'settled', $4, 0, 0)""",
            f"{CALL}{number}", f"{REQUEST}{number}", tenant, now,
        )  # fmt: skip
        await pool.execute(
            """INSERT INTO journal.requests (tenant_id, request_id, body_sha256, topic_partition, topic_offset,
                 record_key, use_history, lease_until, published_at, state)
               VALUES ($1, $2, '', 0, 0, 'k', false, now(), now(), 'completed')""",
            tenant, f"{REQUEST}{number}",
        )  # fmt: skip
        await pool.execute(
            """INSERT INTO journal.attempts (call_id, tenant_id, request_id, attempt, epoch, record_key, provider,
                 model, record) VALUES ($1, $2, $3, 1, 1, 'k', 'p', 'm-1', '{}')""",
            f"{CALL}{number}", tenant, f"{REQUEST}{number}",
        )  # fmt: skip
        for model in ("m-1", f"only-{tenant}"):
            await called(pool, now, tenant, model)


async def stored(pool: Pool, table: str, key: str, state: object, part: int = 0) -> None:
    await pool.execute(
        f"INSERT INTO streams.{table} (part, key, version, touched_at, state) VALUES ($1, $2, 1, now(), $3::jsonb)",
        part, key, orjson.dumps(state).decode(),
    )  # fmt: skip


async def called(pool: Pool, now: datetime, tenant: str, model: str) -> None:
    """A minute in which the tenant called the model."""
    columns = await pool.fetch(
        """SELECT column_name AS name, data_type AS type FROM information_schema.columns
            WHERE table_schema = 'ledger' AND table_name = 'rollup_1m' AND is_nullable = 'NO'"""
    )
    known: dict[str, object] = {
        "bucket": now,
        "tenant_id": tenant,
        "provider": "p",
        "model": model,
        "operation": "chat",
    }
    values = [known.get(column["name"], [] if column["type"] == "ARRAY" else 0) for column in columns]
    names = ", ".join(column["name"] for column in columns)
    places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
    await pool.execute(f"INSERT INTO ledger.rollup_1m ({names}) VALUES ({places})", *values)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(
    stack: LiveStack, topics: KafkaSettings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    url = await new_database(stack)
    pool = await open_pool(url, size=2, application="test")
    _, key = await ApiKeys(pool).create("mine", "a tenant")
    await fill(pool)
    async with running(topics, url, Path(tmp_path_factory.mktemp("search")) / "gateway.log") as process:
        yield World(process, key, pool)
    await pool.close()


async def test_names_are_found_by_their_beginning_that_very_name_first(world: World) -> None:
    assert await world.hits("Talk 1") == [("conversation", "Talk 1"), ("conversation", "Talk 10")]
    assert await world.hits("Talk_") == [("conversation", "Talk_2")]
    assert await world.hits("bob") == [("user", "bob"), ("user", "bobby")]
    assert await world.hits("Ém") == [("user", "Émile")]
    assert await world.hits("%") == await world.hits("nobody") == []


async def test_models_and_tenants_are_found_by_any_part_of_their_name(world: World) -> None:
    assert await world.hits("M-1") == [("model", "m-1")]
    assert await world.hits("only") == [("model", "only-mine")]
    assert await world.all_hits("mine") == [("model", None, "only-mine"), ("tenant", "mine", "mine")]


async def test_ids_are_found_by_their_first_digits(world: World) -> None:
    for text in (f"{CALL}0", f"{CALL}0".upper(), "5e11aaaa-00", "5e11aaaa"):
        assert await world.hits(text) == [("call", f"{CALL}0")]
    assert await world.hits("5e11") == [("call", f"{CALL}0"), ("request", f"{REQUEST}0"), ("trace", f"{TRACE}0")]
    (request,) = (await world.ask(q="5e11bb"))["hits"]
    assert (request["call_id"], request["tenant_id"], request["about"]) == (f"{CALL}0", "mine", "completed")
    assert await world.hits("5e1") == [], "of too many"
    assert len(await world.all_hits("5e11")) == 6
    assert len(await world.all_hits("5e11", limit=1)) == 3


async def test_a_key_finds_nothing_of_another_tenant(world: World) -> None:
    for text in ("5e11", "Talk", "bob", "theirs", "only-theirs", f"{CALL}1", f"{REQUEST}1", f"{TRACE}1"):
        assert any(whose == "theirs" or "theirs" in name for _, whose, name in await world.all_hits(text))
        found = (await world.ask(q=text))["hits"]
        assert {hit["tenant_id"] for hit in found} <= {"mine"}


async def test_wrong_questions_are_refused(world: World) -> None:
    for query in ({}, {"q": ""}, {"q": "a\0b"}, {"q": "x" * 257}, {"q": "a", "limit": "0"}, {"q": "a", "tenant": "x"}):
        await world.ask(422, **query)


async def test_every_beginning_is_read_out_of_an_index(world: World) -> None:
    beginnings: dict[str, tuple[object, ...]] = {
        "users": (["mine"], "b", "c"),
        "conversations": (["mine"], "b", "c"),
        "calls": (None, f"{CALL}0", f"{CALL}f"),
        "requests": (["mine"], f"{REQUEST}0", f"{REQUEST}f"),
        "traces": (None, TRACE, TRACE + "f"),
    }
    async with world.pool.acquire() as connection, connection.transaction():
        for other in ("seqscan", "bitmapscan", "sort"):  # which a handful of rows may be worth
            await connection.execute(f"SET LOCAL enable_{other} = off")
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        for name, (whose, first, last) in beginnings.items():
            plan = await explained(connection, _SQL[name], whose, first, last)
            assert not any("Seq Scan" in line or "Sort" in line for line in plan), (name, plan)
            assert any("Index Cond" in line and ">=" in line and "<=" in line for line in plan), (name, plan)


async def explained(
    connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record], query: str, *arguments: object
) -> list[str]:
    prepared = await connection.prepare("EXPLAIN " + query)
    return [row[0] for row in await prepared.fetch(*arguments, 5)]
