"""A provider that begins to fail is told of within a minute, by an alert and by its health, and is well again after."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

import pytest

from observatory.adapters.kafka import new_consumer, read_event, topic_name
from observatory.adapters.settings import KafkaSettings
from schemas.alerts import ALERT_TYPES, AlertEvent, AlertRaised, AlertResolved
from schemas.topics import ALERT_EVENTS
from tests.databases import new_database
from tests.scenarios.programs import Stack, running_programs
from tests.stack import LiveStack

PREFIX = "anomalous."
LEARN_S = 12
AT_ONCE, FAILING_AT_ONCE, PAUSE_S = 8, 1, 0.2


@pytest.fixture(scope="module")
async def programs(stack: LiveStack) -> AsyncIterator[Stack]:
    own = {
        "OBSERVATORY_DATABASE_URL": await new_database(stack), "OBSERVATORY_TOPIC_PREFIX": PREFIX,
        "OBSERVATORY_ANOMALY_WINDOW_S": "2",
        "OBSERVATORY_ANOMALY_WARM_UP_S": "10", "OBSERVATORY_ANOMALY_WARM_UP_CALLS": "20",
    }  # fmt: skip
    with running_programs(stack, **own) as environment:
        yield Stack(environment)


@dataclass
class Asking:
    """Requests, some at a time, until cancelled; whatever is answered. Few fail, so that a minute soon forgets them."""

    programs: Stack
    at_once: int = AT_ONCE

    async def keep_on(self) -> None:
        while True:
            some = [asyncio.to_thread(self.programs.chat, "[[sim in=100 out=20]]") for _ in range(self.at_once)]
            await asyncio.gather(*some)
            await asyncio.sleep(PAUSE_S)

    def let_fail(self, fault: str | None) -> None:
        """The simulator's calls fail from now on, or do not."""
        self.at_once = FAILING_AT_ONCE if fault else AT_ONCE
        url = f"{self.programs.environment['OBSERVATORY_SIMULATOR_URL']}/sim/control"
        request = urllib.request.Request(url, json.dumps({"fault": fault}).encode(), method="POST")
        urllib.request.urlopen(request, timeout=10).close()


async def alert_events(kafka: KafkaSettings) -> AsyncGenerator[AlertEvent, None]:
    """The events of anomalies in error rates, as they come."""
    consumer = new_consumer(kafka, "test")
    await consumer.start()
    consumer.subscribe([topic_name(kafka, ALERT_EVENTS)])
    try:
        async for record in consumer:
            event = read_event(record, *ALERT_TYPES)[1]
            if event.kind == "anomaly" and event.details["metric"] == "error_rate":
                yield event
    finally:
        await consumer.stop()


@pytest.mark.timeout(400)
async def test_failures_are_told_of_within_a_minute_and_are_over_in_the_end(programs: Stack, stack: LiveStack) -> None:
    events = alert_events(KafkaSettings().model_copy(update={"bootstrap": stack.kafka, "topic_prefix": PREFIX}))
    traffic = Asking(programs)
    asking = asyncio.create_task(traffic.keep_on())
    try:
        await asyncio.sleep(LEARN_S)  # what is usual is learnt from traffic that passes by
        traffic.let_fail("500")
        began = time.monotonic()
        async with asyncio.timeout(60):
            raised = await anext(events)
        told_s = time.monotonic() - began
        assert isinstance(raised, AlertRaised)
        assert told_s < 60
        assert raised.details["model"] == "gpt-4o-mini"
        assert raised.details["look_at"]
        down = await asyncio.to_thread(
            programs.until, "providers/health", lambda found: _state(found, "sim-openai") == "down"
        )
        assert down["providers"]
        traffic.let_fail(None)
        async with asyncio.timeout(200):
            resolved = await anext(events)
        assert isinstance(resolved, AlertResolved)
        assert resolved.alert_id == raised.alert_id
        await asyncio.to_thread(
            programs.until, "providers/health", lambda found: _state(found, "sim-openai") == "healthy"
        )
        [row] = programs.get("analytics/anomalies?metric=error_rate")["rows"]
        assert row["alert_id"] == str(raised.alert_id)
        assert row["resolved_because"] == "back to usual"
    finally:
        asking.cancel()
        await asyncio.wait((asking,))
        await events.aclose()


def _state(found: dict[str, list[dict[str, object]]], provider: str) -> object:
    return next((one["state"] for one in found["providers"] if one["provider"] == provider), None)
