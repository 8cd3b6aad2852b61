"""The broker, the database and the gateway itself go away; nobody gets a wrong answer and nothing needs a hand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
import pytest_asyncio

from infra.native import stack as native
from observatory.adapters.settings import KafkaSettings
from tests.stack import LiveStack
from tests.workers.gateway.conftest import Process, eventually, ready, running
from tests.workers.gateway.responder import Responder, completed


def body(text: str) -> dict[str, object]:
    return {"model": "m", "messages": [{"role": "user", "content": text}]}


@pytest.fixture
def restored(stack: LiveStack) -> Iterator[LiveStack]:
    """The shared stack, which is whole again after the test."""
    yield stack
    native.wait_for_services(stack.spec)


async def ask(
    http: aiohttp.ClientSession, gateway: Process, text: str, **headers: str
) -> tuple[int, dict[str, object]]:
    url = f"{gateway.url}/v1/chat/completions"
    async with http.post(url, json=body(text), headers=headers) as response:
        return response.status, await response.json()


async def test_a_request_that_waits_outlives_a_kill_of_the_broker_and_others_are_taken_again(
    gateway: Process, http: aiohttp.ClientSession, responder: Responder, restored: LiveStack
) -> None:
    request_id = uuid4()
    asking = asyncio.create_task(ask(http, gateway, "silent", **{"Idempotency-Key": str(request_id)}))
    request = await responder.heard(request_id)
    native.kill_program(restored.spec, "kafka")
    await responder.send(completed(request, "at last"))
    status, answer = await asking
    assert status == 200
    assert "at last" in str(answer)
    await eventually("ready again", lambda: ready(gateway.url))
    status, _ = await ask(http, gateway, "text=hi")
    assert status == 200


async def test_chat_goes_on_while_the_database_is_away(
    gateway: Process, http: aiohttp.ClientSession, responder: Responder, restored: LiveStack
) -> None:
    native.stop_program(restored.spec, "postgres")
    try:
        status, _ = await ask(http, gateway, "text=hi")
        async with http.get(f"{gateway.url}/api/v1/conversations") as response:
            conversations = response.status, response.headers.get("retry-after")
        async with http.get(f"{gateway.url}/healthz") as response:
            health = await response.json()
    finally:
        native.start_program(restored.spec, "postgres")
    assert status == 200
    assert conversations == (503, "2")
    assert (health["ok"], health["database"]) == (True, "away")

    async def listed() -> bool:
        async with http.get(f"{gateway.url}/api/v1/conversations") as response:
            return response.status == 200

    await eventually("the database is used again", listed)


async def test_a_stopping_gateway_lets_those_who_wait_finish_and_takes_no_more(
    topics: KafkaSettings, database_url: str, logs: Path, responder: Responder, http: aiohttp.ClientSession
) -> None:
    async with running(topics, database_url, logs / "stopping.log") as gateway:
        request_id = uuid4()
        asking = asyncio.create_task(ask(http, gateway, "silent", **{"Idempotency-Key": str(request_id)}))
        request = await responder.heard(request_id)
        gateway.terminate()
        await eventually("no new connection is taken", lambda: refuses(gateway))
        await responder.send(completed(request, "in time"))
        status, answer = await asking
    assert status == 200
    assert "in time" in str(answer)
    assert gateway.process.returncode == 0


async def refuses(gateway: Process) -> bool:
    return not await ready(gateway.url)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def in_silence(
    topics: KafkaSettings, database_url: str, logs: Path, responder: Responder, http: aiohttp.ClientSession
) -> dict[str, tuple[int, str]]:
    """What two gateways say at last when nothing answers: both are waited for at once, since that takes a while."""

    async def past_the_deadline() -> tuple[int, str]:
        async with running(topics, database_url, logs / "short.log", OBSERVATORY_CHAT_DEADLINE_S="0.1") as gateway:
            status, answer = await ask(http, gateway, "silent")
        return status, str(answer)

    async def at_the_end() -> tuple[int, str]:
        async with running(topics, database_url, logs / "leaving.log") as gateway:
            request_id = uuid4()
            asking = asyncio.create_task(ask(http, gateway, "silent", **{"Idempotency-Key": str(request_id)}))
            await responder.heard(request_id)
            gateway.terminate()
            status, answer = await asking
        return status, str(answer)

    late, leaving = await asyncio.gather(past_the_deadline(), at_the_end())
    return {"late": late, "leaving": leaving}


async def test_a_deadline_that_passes_in_silence_is_504(in_silence: dict[str, tuple[int, str]]) -> None:
    status, answer = in_silence["late"]
    assert status == 504
    assert "same Idempotency-Key" in answer


async def test_a_stopping_gateway_tells_those_who_wait_too_long_to_come_again(
    in_silence: dict[str, tuple[int, str]],
) -> None:
    status, answer = in_silence["leaving"]
    assert status == 503
    assert "same Idempotency-Key" in answer
