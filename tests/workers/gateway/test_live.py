"""The live feed of a real gateway: windows and alerts of one's own tenant, in order, and again after a cut."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import aiohttp
import pytest_asyncio

from observatory.adapters.kafka import Publisher
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
async def watching(url: str, last_id: str | None = None) -> AsyncIterator[Stream]:
    headers = {} if last_id is None else {"Last-Event-ID": last_id}
    async with aiohttp.ClientSession() as session, session.get(f"{url}/api/v1/live", headers=headers) as response:
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
