"""Retries go easy on a provider that is down, and every request that could be answered still is."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.adapters.kafka import Publisher, create_topics
from observatory.adapters.settings import KafkaSettings
from observatory.rules.health import PROBE_EVERY_S, REST_S, STALE_S, rest_s
from schemas.health import HealthState, ProviderHealth
from schemas.topics import PROVIDER_HEALTH
from tests.stack import LiveStack
from workers.chat.health import Breaker, ProviderWatch


def health(state: HealthState, at: datetime, provider: str = "openai") -> ProviderHealth:
    return ProviderHealth(
        provider=provider, state=state, since=at, measured_until=at, calls=9, errors=9, faults=9, models=[]
    )  # fmt: skip


class Known(ProviderWatch):
    """Knows what it is told."""

    def __init__(self, *told: ProviderHealth) -> None:
        super().__init__(KafkaSettings(), "test")
        self._latest = {one.provider: one for one in told}


@pytest.mark.parametrize(
    ("state", "age_s", "down"),
    [("down", 1, True), ("degraded", 1, False), ("healthy", 1, False), ("down", STALE_S + 1, False)],
)
def test_only_what_was_heard_lately_counts(state: HealthState, age_s: float, down: bool) -> None:
    now = datetime.now(UTC)
    watch = Known(health(state, now - timedelta(seconds=age_s)))
    assert watch.is_down("openai", now) is down
    assert not watch.is_down("anthropic", now)


def test_a_retry_waits_longer_while_its_provider_is_down_but_for_a_probe_now_and_then() -> None:
    clock = [100.0]
    breaker = Breaker(Known(health("down", datetime.now(UTC))), 10, lambda: 0.5, lambda: clock[0])
    deadline = datetime.now(UTC) + timedelta(seconds=120)
    assert [breaker.pause_s("openai", 0.2, deadline) for _ in range(3)] == [0.2, REST_S * 1.5, REST_S * 1.5]
    clock[0] += PROBE_EVERY_S
    assert [breaker.pause_s("openai", 0.2, deadline) for _ in range(2)] == [0.2, REST_S * 1.5]
    assert breaker.pause_s("anthropic", 0.2, deadline) == 0.2


async def test_few_rest_at_once_so_that_others_are_served() -> None:
    breaker = Breaker(Known(health("down", datetime.now(UTC))), 1, lambda: 0.5, lambda: 0.0)
    deadline = datetime.now(UTC) + timedelta(seconds=120)
    await breaker.rest("openai", 0.0, deadline)
    resting = asyncio.create_task(breaker.rest("openai", 0.0, deadline))
    await asyncio.sleep(0)
    assert breaker.pause_s("openai", 0.2, deadline) == 0.2
    resting.cancel()
    await asyncio.wait((resting,))
    assert breaker.pause_s("openai", 0.2, deadline) == REST_S * 1.5


@given(
    pause_s=st.floats(0, 40), left_s=st.floats(-10, 600), draw=st.floats(0, 1, exclude_max=True)
)  # fmt: skip
def test_no_rest_outlives_half_of_the_time_that_is_left(pause_s: float, left_s: float, draw: float) -> None:
    rest = rest_s(pause_s, left_s, lambda: draw)
    assert pause_s <= rest <= max(pause_s, min(2 * REST_S, left_s / 2))


async def test_the_latest_of_each_provider_is_heard_from_the_topic(stack: LiveStack) -> None:
    settings = KafkaSettings().model_copy(update={"bootstrap": stack.kafka, "topic_prefix": f"{uuid4().hex[:8]}."})
    await create_topics(settings)
    publisher, now = Publisher(settings, "test"), datetime.now(UTC)
    await publisher.start()
    watch = ProviderWatch(settings, "test")
    following = asyncio.create_task(watch.run())
    for state, provider in (("healthy", "openai"), ("down", "openai"), ("down", "a"), ("healthy", "a")):
        now += timedelta(milliseconds=1)
        event = health(state, now, provider)  # type: ignore[arg-type]  # a literal in the line above
        await (await publisher.publish(PROVIDER_HEALTH, provider, event, uuid4()))
    await (await publisher.publish(PROVIDER_HEALTH, "b", health("down", now, "b"), uuid4()))
    async with asyncio.timeout(30):
        while not (watch.is_down("openai", now) and watch.is_down("b", now)):  # noqa: ASYNC110  # told by the broker
            await asyncio.sleep(0.05)
        while watch.is_down("a", now):  # noqa: ASYNC110  # told by the broker
            await asyncio.sleep(0.05)
    following.cancel()
    await asyncio.wait((following,))
    await publisher.stop()
