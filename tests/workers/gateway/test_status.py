"""`/api/v1/status`, `/api/v1/alerts/standing`, `/api/v1/dead-letters`: what a tenant's key and an operator's see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
import pytest_asyncio

from infra.native.ports import free_ports
from observatory.adapters.following import follow
from observatory.adapters.kafka import new_producer, topic_name
from observatory.adapters.postgres.app import ApiKeys
from observatory.adapters.postgres.pool import open_pool
from observatory.adapters.settings import KafkaSettings
from schemas.topics import TRACE_SPANS
from tests.databases import new_database
from tests.stack import LiveStack
from tests.workers.gateway.conftest import Process, eventually, running
from tests.workers.gateway.test_alerts import stored

LETTERS = f"dead-letters/{TRACE_SPANS.name}"


@dataclass(frozen=True)
class World:
    """A gateway that is told of two processes, one of which runs; a tenant's key and an operator's."""

    gateway: Process
    database_url: str
    kafka: KafkaSettings
    tenant_key: str
    operator_key: str
    operator_key_id: str

    async def ask(self, path: str, key: str, status: int = 200, /, body: object = None, **query: str) -> Any:
        method = "GET" if body is None else "POST"
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as http,
            http.request(method, f"{self.gateway.url}/api/v1/{path}", params=query, json=body) as response,
        ):
            assert response.status == status, await response.text()
            return await response.json(content_type=None)

    async def bury(self, *values: bytes) -> None:
        """Puts records among the dead letters, as who could not read them does."""
        producer = new_producer(self.kafka, "test")
        await producer.start()
        headers = [("dlq_reason", b"no JSON"), ("dlq_topic", b"trace.spans"), ("dlq_partition", b"3")]
        for value in values:
            await producer.send_and_wait(
                self.kafka.topic_prefix + TRACE_SPANS.dlq, value, key=b"k", headers=[*headers, ("dlq_offset", b"7")]
            )
        await producer.stop()

    async def values(self) -> list[bytes]:
        """What the topic of spans holds, sent again or not."""
        async with follow(self.kafka, topic_name(self.kafka, TRACE_SPANS), "beginning") as follower:
            return [record.value or b"" async for records in follower.up_to_now() for record in records]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(
    stack: LiveStack, topics: KafkaSettings, gateway: Process, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    url, log = await new_database(stack), Path(tmp_path_factory.mktemp("status")) / "gateway.log"
    pool = await open_pool(url, size=2, application="test")
    _, tenant_key = await ApiKeys(pool).create("mine", "a tenant")
    operator, operator_key = await ApiKeys(pool).create("operators", "an operator")
    (nobody,) = free_ports(1)
    told = {
        "OBSERVATORY_PROCESSES": f"other={gateway.url}/healthz,gone=http://127.0.0.1:{nobody}/healthz",
        "OBSERVATORY_OPERATOR_KEYS": operator.key_id,
    }
    await pool.close()
    async with running(topics, url, log, **told) as process:
        yield World(process, url, topics, tenant_key, operator_key, operator.key_id)


async def test_a_process_that_does_not_answer_is_told_in_one_line(world: World) -> None:
    async def groups_are_known() -> bool:
        """A broker on which nobody ever committed anything makes the topic of offsets first."""
        return bool((await world.ask("status", world.tenant_key))["lags"])

    await eventually("lags", groups_are_known)
    told = await world.ask("status", world.tenant_key)
    assert told["state"] == "wrong"
    assert told["summary"].startswith("1 thing is wrong: gone is not well: no connection to 127.0.0.1:")
    assert [(one["name"], one["ok"]) for one in told["processes"]] == [("other", True), ("gone", False)]
    kinds = {one["kind"] for one in told["concerns"]}
    assert kinds == {"process", "watermark"}
    assert told["watermark"] is None
    assert {lag["group"] for lag in told["lags"]} == {"gateway-test.chat-workers", "gateway-test.ledger"}


async def test_a_key_counts_its_own_tenants_alerts_only(world: World) -> None:
    connection = await asyncpg.connect(world.database_url)
    for tenant in ("mine", "mine", "others"):
        await stored(connection, tenant)
    await connection.close()
    counted = await world.ask("alerts/standing", world.tenant_key)
    assert counted == {
        "alerts": 2, "critical": 0, "kinds": [{"kind": "budget_threshold", "severity": "warning", "alerts": 2}]
    }  # fmt: skip
    assert (await world.ask("status", world.tenant_key))["alerts"] == counted
    assert len((await world.ask("alerts", world.tenant_key, of="all"))["alerts"]) == 2


async def test_only_an_operators_key_sees_dead_letters(world: World) -> None:
    for path, body in (("dead-letters", None), (LETTERS, None), (f"{LETTERS}/retry", {})):
        refused = await world.ask(path, world.tenant_key, 403, body)
        assert "operator's key" in refused["detail"]
        assert (await world.ask(path, "nobody's", 401, body))["status"] == 401
    assert (await world.ask("status", world.tenant_key))["dead_letters_waiting"] is None


async def test_an_operator_sends_those_that_were_seen_again(world: World) -> None:
    await world.bury(b"first", b"second", b"third")
    page = await world.ask(LETTERS, world.operator_key)
    assert [letter["text"] for letter in page["letters"]] == ["third", "second", "first"]
    third, second, _ = page["letters"]
    assert (third["reason"], third["source_partition"], third["source_offset"]) == ("no JSON", 3, 7)
    assert third["waiting"]
    sent = await world.ask(f"{LETTERS}/retry", world.operator_key, 200, {"up_to": second["offset"]})
    assert sent == {"topic": TRACE_SPANS.name, "sent": 2}
    page = await world.ask(LETTERS, world.operator_key)
    assert [letter["waiting"] for letter in page["letters"]] == [True, False, False]
    topics = {one["topic"]: one for one in (await world.ask("dead-letters", world.operator_key))["topics"]}
    assert topics[TRACE_SPANS.name] == {
        "topic": TRACE_SPANS.name, "records": 3, "waiting": 1, "reasons": [{"reason": "no JSON", "records": 3}]
    }  # fmt: skip
    assert (await world.ask("status", world.operator_key))["dead_letters_waiting"] >= 1
    assert (await world.ask(f"{LETTERS}/retry", world.operator_key, 200, {}))["sent"] == 1
    assert (await world.ask(f"{LETTERS}/retry", world.operator_key, 200, {}))["sent"] == 0


async def test_two_gateways_that_are_asked_at_once_send_each_letter_once(
    world: World, topics: KafkaSettings, tmp_path: Path
) -> None:
    numbers = [b"letter %d" % number for number in range(20)]
    async with running(
        topics, world.database_url, tmp_path / "another.log", OBSERVATORY_OPERATOR_KEYS=world.operator_key_id
    ) as gateway:
        another = replace(world, gateway=gateway)
        await world.bury(*numbers)
        answers = await asyncio.gather(
            *(each.ask(f"{LETTERS}/retry", world.operator_key, 200, {}) for each in (world, another) for _ in range(3))
        )
    assert sorted(answer["sent"] for answer in answers) == [0] * 5 + [len(numbers)]
    values = [value for value in await world.values() if value.startswith(b"letter ")]
    assert sorted(values) == sorted(numbers)


async def test_wrong_questions_are_refused(world: World) -> None:
    await world.ask("dead-letters/nothing.here", world.operator_key, 404)
    await world.ask(f"{LETTERS}/retry", world.operator_key, 422, {"up_to": -1})
    await world.ask(f"{LETTERS}/retry", world.operator_key, 422, {"all": True})
