"""API keys: none exists and everybody on this machine is let in; once one exists, only keys are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import aiohttp
import pytest_asyncio

from infra.native.ports import free_ports
from observatory.adapters.postgres.app import ApiKeys
from observatory.adapters.postgres.pool import Pool, open_pool
from observatory.adapters.settings import KafkaSettings
from tests.workers.gateway.conftest import Process, eventually, running, start
from tests.workers.gateway.responder import Responder

BODY = {"model": "m", "messages": [{"role": "user", "content": "text=hi"}]}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pool(database_url: str) -> AsyncIterator[Pool]:
    made = await open_pool(database_url, size=2, application="test")
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="session")
async def keys(pool: Pool, gateway: Process, http: aiohttp.ClientSession) -> AsyncIterator[ApiKeys]:
    """Keys that are gone after the test, for the gateways too."""
    yield ApiKeys(pool)
    await pool.execute("DELETE FROM app.api_keys")
    await eventually("nobody needs a key again", lambda: lets_in(http, gateway, {}))


async def status(http: aiohttp.ClientSession, gateway: Process, headers: dict[str, str]) -> int:
    async with http.post(f"{gateway.url}/v1/chat/completions", json=BODY, headers=headers) as response:
        return response.status


async def lets_in(http: aiohttp.ClientSession, gateway: Process, headers: dict[str, str]) -> bool:
    return await status(http, gateway, headers) == 200


async def turns_away(http: aiohttp.ClientSession, gateway: Process, headers: dict[str, str]) -> bool:
    return await status(http, gateway, headers) == 401


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


async def test_while_no_key_exists_any_bearer_is_taken_as_the_default_tenant(
    gateway: Process, http: aiohttp.ClientSession, responder: Responder
) -> None:
    key = str(uuid4())
    assert await status(http, gateway, bearer("whatever") | {"Idempotency-Key": key}) == 200
    assert (await responder.heard(UUID(key))).tenant_id == "default"


async def test_once_a_key_exists_only_keys_are_let_in(
    gateway: Process, http: aiohttp.ClientSession, responder: Responder, keys: ApiKeys
) -> None:
    made, text = await keys.create("acme", "test")
    await eventually("strangers are turned away", lambda: turns_away(http, gateway, {}), timeout_s=5)
    assert await turns_away(http, gateway, bearer("obs_wrong"))
    request_id = str(uuid4())
    assert await status(http, gateway, bearer(text) | {"Idempotency-Key": request_id}) == 200
    request = await responder.heard(UUID(request_id))
    assert (request.tenant_id, request.api_key_id) == ("acme", made.key_id)
    assert await status(http, gateway, {"x-api-key": text}) == 200
    assert await status(http, gateway, {"api-key": text}) == 200


async def test_a_revoked_key_dies_within_five_seconds_and_does_not_open_the_door(
    gateway: Process, http: aiohttp.ClientSession, responder: Responder, keys: ApiKeys
) -> None:
    made, text = await keys.create("acme", "test")
    await eventually("strangers are turned away", lambda: turns_away(http, gateway, {}), timeout_s=5)
    assert await lets_in(http, gateway, bearer(text))
    assert await keys.revoke(made.key_id)
    assert not await keys.revoke(made.key_id)
    await eventually("the key is dead", lambda: turns_away(http, gateway, bearer(text)), timeout_s=5)
    assert await turns_away(http, gateway, {})


async def test_a_new_key_works_at_once(
    gateway: Process, http: aiohttp.ClientSession, responder: Responder, keys: ApiKeys
) -> None:
    await keys.create("acme", "first")
    await eventually("strangers are turned away", lambda: turns_away(http, gateway, {}), timeout_s=5)
    _, text = await keys.create("acme", "second")
    assert await lets_in(http, gateway, bearer(text))


async def test_the_text_of_a_key_is_not_kept(keys: ApiKeys, pool: Pool) -> None:
    made, text = await keys.create("acme", "test")
    assert text.startswith("obs_")
    assert [key.key_id for key in await keys.all()] == [made.key_id]
    row = await pool.fetchrow("SELECT k::text AS row FROM app.api_keys k")
    assert row is not None
    assert text not in row["row"]


async def test_tenants_do_not_see_each_others_conversations(
    gateway: Process, http: aiohttp.ClientSession, keys: ApiKeys
) -> None:
    texts = [(await keys.create(tenant, "test"))[1] for tenant in ("one", "two")]
    await eventually("strangers are turned away", lambda: turns_away(http, gateway, {}), timeout_s=5)
    name = str(uuid4())
    url = f"{gateway.url}/api/v1/conversations"
    async with http.post(url, json={"conversation_id": name}, headers=bearer(texts[0])) as response:
        assert response.status == 201
    async with http.get(f"{url}/{name}", headers=bearer(texts[1])) as response:
        assert response.status == 404


async def test_without_a_key_another_address_than_loopback_is_refused_in_one_line(
    topics: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    (port,) = free_ports(1)
    process = start(topics, database_url, port, log, OBSERVATORY_HTTP_HOST="0.0.0.0", OBSERVATORY_LOG_LEVEL="ERROR")
    assert await asyncio.to_thread(process.wait, 30) == 2
    (line,) = log.read_text().splitlines()
    assert "OBSERVATORY_HTTP_HOST" in line
    assert "observatory keys create" in line


async def test_with_a_key_any_address_is_fine(
    topics: KafkaSettings, database_url: str, logs: Path, keys: ApiKeys, http: aiohttp.ClientSession
) -> None:
    await keys.create("acme", "test")
    async with running(topics, database_url, logs / "open.log", OBSERVATORY_HTTP_HOST="0.0.0.0") as process:
        assert await turns_away(http, process, {})
