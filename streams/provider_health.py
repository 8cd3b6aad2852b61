"""Judges every provider once a second by what was served in the minute before, and publishes it for all workers.

Rows first, events after: an event that a kill swallows is followed by the next one within ten seconds.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from math import exp
from uuid import UUID, uuid5

from observatory.adapters.kafka import Publisher
from observatory.adapters.postgres import live
from observatory.adapters.postgres.health import (
    Judged,
    KeptHealth,
    forget_health,
    measure,
    read_health,
    save_health,
)
from observatory.adapters.postgres.pool import Pool
from observatory.adapters.settings import Settings
from observatory.rules.health import FORGET_S, MOST_PROVIDERS, Health, Measured, judge_provider, whole_of
from schemas.envelope import EVENT_NAMESPACE, event_id
from schemas.health import ModelHealth, ProviderHealth
from schemas.topics import PROVIDER_HEALTH
from streams.leading import LeaderTask

EVERY_S = 1.0
PUBLISH_EVERY_S = 10


class HealthWatch:
    """Remembers what it published; after a change of leaders some comes again."""

    def __init__(self) -> None:
        self._published: dict[str, tuple[int, str]] = {}

    async def turn(self, pool: Pool, publisher: Publisher, _settings: Settings) -> None:
        """Judges and publishes. Raises when database or broker are away; the next turn makes it good."""
        until_s = await live.closed_until(pool)
        if until_s is None:
            return
        kept = await read_health(pool)
        if any(one.measured_until >= until_s for one in kept.values()):
            return
        judged = judge_all(kept, await measure(pool, until_s), until_s)
        silent = [name for name in kept if name not in judged]
        async with pool.acquire() as connection, connection.transaction():
            await forget_health(connection, silent, until_s)
            own = await save_health(connection, judged, until_s)
        await self._publish(publisher, {name: one for name, one in judged.items() if name in own}, until_s)

    async def _publish(self, publisher: Publisher, judged: dict[str, Judged], until_s: int) -> None:
        due = {}
        for name, one in judged.items():
            said = _said(one)
            at_s, before = self._published.get(name, (0, ""))
            if said != before or until_s - at_s >= PUBLISH_EVERY_S:
                due[name] = (until_s, said)
        events = [health_event(name, judged[name], until_s) for name in due]
        sent = [
            await publisher.publish(PROVIDER_HEALTH, event.provider, event, _id_of(event, until_s)) for event in events
        ]
        await asyncio.gather(*sent)
        self._published = {name: said for name, said in {**self._published, **due}.items() if name in judged}


def judge_all(
    kept: Mapping[str, KeptHealth], measured: Mapping[str, Mapping[str, Measured]], until_s: int
) -> dict[str, Judged]:
    """Every provider with calls, or remembered, at the second `until_s`: the busiest of them."""
    calls = {name: whole_of(models.values()).calls for name, models in measured.items()}
    called = [name for name, one in kept.items() if until_s - one.judged.state.health.called_s < 2 * FORGET_S]
    names = sorted({*measured, *called}, key=lambda name: (-calls.get(name, 0), name))[:MOST_PROVIDERS]
    judged = {}
    for name in names:
        before = kept.get(name)
        passed_s = max(0, until_s - before.measured_until) if before else 0
        models = measured.get(name, {})
        state = judge_provider(before.judged.state if before else None, models, until_s, passed_s)
        figures = {model: models.get(model, Measured()) for model in state.models}
        judged[name] = Judged(state=state, models=figures)
    return judged


def health_event(provider: str, judged: Judged, until_s: int) -> ProviderHealth:
    """What is published of a provider."""
    whole = whole_of(judged.models.values())
    return ProviderHealth(
        provider=provider,
        state=judged.state.health.state,
        since=_moment(judged.state.health.since_s),
        measured_until=_moment(until_s),
        calls=whole.calls,
        errors=whole.errors,
        faults=whole.faults,
        models=[_model(name, health, judged.models[name]) for name, health in judged.state.models.items()],
    )


def _model(name: str, health: Health, measured: Measured) -> ModelHealth:
    return ModelHealth(
        model=name,
        state=health.state,
        since=_moment(health.since_s),
        calls=measured.calls,
        errors=measured.errors,
        faults=measured.faults,
        p95_ms=measured.p95_ms,
        usual_p95_ms=None if health.usual_log_ms is None else exp(health.usual_log_ms),
    )


def _said(judged: Judged) -> str:
    states = (f"{name}={health.state}" for name, health in judged.state.models.items())
    return ";".join((judged.state.health.state, *states))


def _id_of(event: ProviderHealth, until_s: int) -> UUID:
    return event_id(uuid5(EVENT_NAMESPACE, f"health\x1f{event.provider}"), event.ce_type, until_s)


def _moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


HEALTH = LeaderTask(name="provider health", every_s=EVERY_S, turn=HealthWatch().turn)
