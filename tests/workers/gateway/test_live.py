"""The live feed of a real gateway: windows and alerts of one's own tenant, in order, and again after a cut."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg
import pytest_asyncio

from observatory.adapters.kafka import Publisher, new_producer, topic_name
from observatory.adapters.settings import KafkaSettings
from schemas.alerts import AlertRaised
from schemas.metrics import MetricsWindow
from schemas.topics import ALERT_EVENTS, METRICS_LIVE
from tests.workers.gateway.conftest import Process

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def publisher(topics: KafkaSettings) -> AsyncIterator[Publisher]:
    result = Publisher(topics, "test")
    await result.start()
    yield result
    await result.stop()


def window(second: int, tenant_id: str = "default") -> MetricsWindow:
    return MetricsWindow.model_validate_json(
        json.dumps(
            {
                "tenant_id": tenant_id, "window_start": (BEGIN + timedelta(seconds=second)).isoformat(), "revision": 2,
                "complete": True, "calls": second, "errors": 0, "unpriced_calls": 0, "input_tokens": 1,
                "output_tokens": 1, "cost_usd": "0.10", "latency_ms_hist": [], "ttft_ms_hist": [], "models": [],
            }
        )
    )  # fmt: skip


def alert() -> AlertRaised:
    return AlertRaised(
        alert_id=uuid4(), kind="anomaly", severity="warning", tenant_id="default", subject="s", message="m",
        details={}, raised_at=BEGIN,
    )  # fmt: skip


async def publish(publisher: Publisher, *events: MetricsWindow | AlertRaised) -> None:
    for event in events:
        topic = METRICS_LIVE if isinstance(event, MetricsWindow) else ALERT_EVENTS
        await (await publisher.publish(topic, event.tenant_id, event, uuid4()))


class Stream:
    """Server-sent events as they come."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def next(self, *names: str) -> tuple[str, str, dict[str, object]]:
        """The next event of one of these names: its id, its name, its data."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(20):
            async for raw in self._response.content:
                line = raw.decode().rstrip("\n")
                if line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif fields.get("event") in names:
                    return fields.get("id", ""), fields["event"], json.loads(fields["data"])
                else:
                    fields = {}
        raise AssertionError("the stream ended")


@asynccontextmanager
async def watching(url: str, last_id: str | None = None, **query: str) -> AsyncIterator[Stream]:
    headers = {} if last_id is None else {"Last-Event-ID": last_id}
    address = f"{url}/api/v1/live"
    async with aiohttp.ClientSession() as session, session.get(address, headers=headers, params=query) as response:
        assert response.status == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Stream(response)


async def test_windows_and_alerts_of_ones_own_tenant_come_as_they_are_published(
    gateway: Process, publisher: Publisher
) -> None:
    async with watching(gateway.url) as stream:
        _, _, status = await stream.next("status")
        assert status["tenant_id"] == "default"
        assert status["in_flight"] == 0
        await stream.next("status")  # the second one says that events are watched for
        await publish(publisher, window(1), window(2, "another"), window(3), alert())
        first = await stream.next("metrics.window")
        assert (first[2]["calls"], first[2]["cost_usd"]) == (1, "0.10")
        rest = [await stream.next("metrics.window", "alert.raised") for _ in range(2)]
    assert {name for _, name, _ in rest} == {"metrics.window", "alert.raised"}
    assert next(data["calls"] for _, name, data in rest if name == "metrics.window") == 3


async def test_what_nobody_can_read_is_passed_over(
    gateway: Process, publisher: Publisher, topics: KafkaSettings
) -> None:
    producer = new_producer(topics, "test")
    await producer.start()
    async with watching(gateway.url) as stream:
        await stream.next("status")
        await stream.next("status")
        for partition in range(METRICS_LIVE.partitions):
            for value in (b'{"a":' * 3_000 + b"1" + b"}" * 3_000, b"", b"\xff", b"[]", b"{}"):
                await producer.send_and_wait(topic_name(topics, METRICS_LIVE), value, partition=partition)
        await publish(publisher, window(7))
        _, _, data = await stream.next("metrics.window")
    await producer.stop()
    assert data["calls"] == 7


async def test_who_comes_back_to_another_gateway_misses_nothing(
    gateway: Process, second_gateway: Process, publisher: Publisher
) -> None:
    async with watching(gateway.url) as stream:
        await stream.next("status")
        await stream.next("status")
        await publish(publisher, alert(), window(10))
        ids = {name: place for place, name, _ in [await stream.next("metrics.window", "alert.raised") for _ in "12"]}
        last = max(ids.values(), key=lambda place: sum(bool(part) for part in place.split("-")))
    await publish(publisher, window(11), window(12, "another"), window(13))
    async with watching(second_gateway.url, last) as stream:
        again = [await stream.next("metrics.window", "alert.raised") for _ in range(2)]
        await publish(publisher, window(14))
        again.append(await stream.next("metrics.window", "alert.raised"))
    assert [data["calls"] for _, _, data in again] == [11, 13, 14]


async def test_a_place_that_is_none_is_refused(gateway: Process, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{gateway.url}/api/v1/live", headers={"Last-Event-ID": "here"}) as response:
        problem = await response.json()
    assert response.status == 400
    assert "offset-offset" in problem["detail"]


async def test_figures_are_the_sums_of_complete_seconds_each_told_once(
    gateway: Process, database: asyncpg.Connection[asyncpg.Record], publisher: Publisher
) -> None:
    until = 1_700_000_000
    await _windows(database, {until - 400: ["a"], until - 61: ["a"], until - 3: ["a", "b"], until + 1: ["a", "b"]})
    await _complete_until(database, until)
    try:
        async with (
            watching(gateway.url, figures="true") as all_,
            watching(gateway.url, figures="true", tenant="b") as of_b,
        ):
            first = (await _figures(all_, until))["figures"]
            assert [(_second(each), each["calls"], each["cost_usd"]) for each in first["seconds"]] == [
                (until - 61, 2, "0.0000000000000000021"), (until - 3, 4, "0.0000000000000000042"),
            ]  # fmt: skip
            assert (first["tenant_id"], first["minute"]["calls"]) == (None, 4)
            assert first["minute"]["latency_p95_ms"] is not None
            own = (await _figures(of_b, until))["figures"]
            assert (own["tenant_id"], own["minute"]["calls"], len(own["seconds"])) == ("b", 2, 1)
            await _complete_until(database, until + 5)
            await publish(publisher, window(1), window(2), alert())
            assert (await all_.next("metrics.window", "alert.raised"))[1] == "alert.raised"
            then = (await _figures(all_, until + 5))["figures"]
            assert [_second(each) for each in then["seconds"]] == [until + 1]
            assert then["minute"]["calls"] == 8
    finally:
        await database.execute("TRUNCATE streams.windows")
        await database.execute("DELETE FROM ledger.sink_offsets WHERE sink = 'streams.recent_calls'")


def _second(row: dict[str, Any]) -> int:
    return round(datetime.fromisoformat(row["at"]).timestamp())


async def _figures(stream: Stream, until: int) -> dict[str, Any]:
    """The first status that is complete up to there."""
    while True:
        _, _, status = await stream.next("status")
        complete = status["complete_until"]
        if complete is not None and datetime.fromisoformat(str(complete)).timestamp() >= until:
            return status


async def _windows(database: asyncpg.Connection[asyncpg.Record], tenants: dict[int, list[str]]) -> None:
    """In each second two calls of each of its tenants."""
    cell = {
        "provider": "p", "model": "m", "calls": 2, "errors": 1, "unpriced_calls": 0, "input_tokens": 3,
        "output_tokens": 4, "latency_ms_hist": [(224 << 40) + 2], "ttft_ms_hist": [], "faults": 0,
    }  # fmt: skip
    for second, names in tenants.items():
        # An amount with more digits than a float has: it must come through as it is.
        cells = ", ".join(
            json.dumps({**cell, "tenant_id": name})[:-1] + ', "cost_usd": 0.0000000000000000021}' for name in names
        )
        await database.execute(
            "INSERT INTO streams.windows (part, key, version, touched_at, state) VALUES (0, $1, 1, now(), $2::jsonb)",
            str(second), f'{{"second": {second}, "cells": [{cells}]}}',
        )  # fmt: skip


async def _complete_until(database: asyncpg.Connection[asyncpg.Record], second: int) -> None:
    await database.execute(
        """INSERT INTO ledger.sink_offsets (sink, topic, log_epoch, part, next_offset, applied_until, owner)
           VALUES ('streams.recent_calls', 'llm.calls', 0, 0, 0, to_timestamp($1), 'test')
           ON CONFLICT (sink, topic, log_epoch, part) DO UPDATE SET applied_until = excluded.applied_until""",
        second,
    )
