"""What is known of the providers' health, from `provider.health`, and how retries go easy on one that is down.

The first attempt of every request is always made, and no request is refused for a provider's state: only the pauses
between attempts grow. What is old counts for nothing, so with the stream workers away all is as without them.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from aiokafka.errors import KafkaError

from observatory.adapters.kafka import Record, Unreadable, new_consumer, read_event, topic_name
from observatory.adapters.settings import KafkaSettings
from observatory.rules.health import PROBE_EVERY_S, STALE_S, rest_s
from schemas.health import ProviderHealth
from schemas.topics import PROVIDER_HEALTH
from workers.chat.metrics import RESTING

log = logging.getLogger(__name__)

POLL_MS = 1000
PAUSE_S = 1.0


class ProviderWatch:
    """The latest of each provider."""

    def __init__(self, settings: KafkaSettings, client_id: str) -> None:
        self._settings, self._client_id = settings, f"{client_id}-health"
        self._latest: dict[str, ProviderHealth] = {}

    def is_down(self, provider: str, now: datetime) -> bool:
        """Whether nearly all calls to it fail, as far as was heard within the last half minute."""
        latest = self._latest.get(provider)
        return (
            latest is not None
            and latest.state == "down"
            and now - latest.measured_until < timedelta(seconds=STALE_S)
        )  # fmt: skip

    def hear(self, record: Record) -> None:
        """Takes a record in. One that is unreadable or has no value says nothing."""
        try:
            _, health = read_event(record, ProviderHealth)
        except Unreadable as error:
            log.warning("provider.health: %s-%s is unreadable: %s", record.partition, record.offset, error)
            return
        known = self._latest.get(health.provider)
        if known is None or known.measured_until <= health.measured_until:
            self._latest[health.provider] = health

    async def run(self) -> None:
        """Follows the topic for ever, from its beginning; ends by being cancelled."""
        while True:
            try:
                await self._follow()
            except KafkaError as error:
                log.warning("provider.health: %r, again in a moment", error)
                await asyncio.sleep(PAUSE_S)

    async def _follow(self) -> None:
        name = topic_name(self._settings, PROVIDER_HEALTH)
        consumer = new_consumer(self._settings, self._client_id, fetch_max_wait_ms=POLL_MS)
        try:
            await consumer.start()
            consumer.subscribe([name])
            while True:
                for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                    for record in records:
                        self.hear(record)
        finally:
            await consumer.stop()


class Breaker:
    """Lets retries rest while their provider is down, all but a probe now and then; at most so many at once."""

    def __init__(
        self,
        watch: ProviderWatch,
        most_resting: int,
        draw: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watch, self._most, self._draw, self._clock = watch, most_resting, draw, clock
        self._probed: dict[str, float] = {}
        self._resting = 0

    async def rest(self, provider: str, pause_s: float, deadline: datetime) -> None:
        """Waits before the next attempt: for `pause_s`, or longer if that is wise."""
        longer_s = self.pause_s(provider, pause_s, deadline)
        if longer_s <= pause_s:
            await asyncio.sleep(pause_s)
            return
        self._resting += 1
        RESTING.inc()
        try:
            await asyncio.sleep(longer_s)
        finally:
            self._resting -= 1
            RESTING.dec()

    def pause_s(self, provider: str, pause_s: float, deadline: datetime) -> float:
        """Seconds to wait instead of `pause_s`; never less."""
        now = datetime.now(UTC)
        # Those who rest hold their places, which requests to other providers need too.
        if not self._watch.is_down(provider, now) or self._resting >= self._most or self._may_probe(provider):
            return pause_s
        return rest_s(pause_s, (deadline - now).total_seconds(), self._draw)

    def _may_probe(self, provider: str) -> bool:
        now = self._clock()
        due = now - self._probed.get(provider, -PROBE_EVERY_S) >= PROBE_EVERY_S
        if due:
            self._probed[provider] = now
        return due
