"""All that tells whether something is wrong, asked at once; what cannot be asked is a concern itself."""

import asyncio
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from aiokafka.errors import KafkaError

from observatory.adapters.dead_letters import Summary
from observatory.adapters.following import NoSuchTopic
from observatory.adapters.kafka import topic_name
from observatory.adapters.lag import Lag, read_lags, working_groups
from observatory.adapters.postgres.freshness import Reached, by_sink, read_freshness
from observatory.adapters.postgres.health import KeptHealth, read_health
from observatory.adapters.postgres.pipeline import Outbox, Standing, read_outbox, read_standing
from observatory.adapters.postgres.pool import Pool
from observatory.adapters.settings import KafkaSettings
from observatory.rules import concerns
from observatory.rules.concerns import Concern
from schemas.topics import LLM_CALLS, TOPICS
from workers.gateway.access import Access
from workers.gateway.database import Database, DatabaseAway
from workers.gateway.dead_letter_desk import DeadLetterDesk
from workers.gateway.remembered import Remembered
from workers.gateway.watched import Watched

T = TypeVar("T")

LAGS_EVERY_S = 10.0
PATIENCE_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What the database knows."""

    now: datetime
    reached: Sequence[Reached]
    health: Mapping[str, KeptHealth]
    outbox: Sequence[Outbox]
    standing: Sequence[Standing]

    def watermark(self, topic: str) -> datetime | None:
        """Up to when the ledger is complete."""
        return by_sink(self.reached).get(("ledger", topic))


@dataclass(frozen=True, kw_only=True)
class Found:
    """Everything; None where it could not be asked."""

    processes: Mapping[str, str | None]
    lags: Sequence[Lag] | None
    stored: Stored | None
    letters: Sequence[Summary] | None
    concerns: Sequence[Concern]
    asked_at: datetime = field(default_factory=lambda: datetime.now(UTC))


class StatusDesk:
    """Asks processes, Kafka and the database."""

    def __init__(self, kafka: KafkaSettings, database: Database, watched: Watched, letters: DeadLetterDesk) -> None:
        self._kafka, self._database, self._watched, self._letters = kafka, database, watched, letters
        self._lags = Remembered(self._read_lags, LAGS_EVERY_S)

    async def of(self, access: Access) -> Found:
        """How everything is; alerts are those that may be seen, dead letters are counted for operators."""
        tenant = None if access.api_key_id is None else access.tenant_id
        operator = self._letters.is_operator(access)
        failed: dict[str, str] = {}
        processes, stored, lags, letters = await asyncio.gather(
            self._watched.problems(),
            _ask("PostgreSQL", self._database.run(lambda pool: _stored(pool, tenant)), failed),
            _ask("Kafka", self._lags.get(), failed),
            _ask("Kafka", self._letters.counts(), failed) if operator else _nothing(),
        )
        doubts = list(self._doubts(processes, stored, lags, letters))
        away = [concerns.of_service(name, problem) for name, problem in failed.items()]
        return Found(
            processes=processes,
            lags=lags,
            stored=stored,
            letters=letters,
            concerns=concerns.worst_first([*away, *doubts]),
        )

    def _doubts(
        self,
        processes: Mapping[str, str | None],
        stored: Stored | None,
        lags: Sequence[Lag] | None,
        letters: Sequence[Summary] | None,
    ) -> Iterator[Concern]:
        yield from concerns.of_processes(processes)
        if stored is not None:
            yield from concerns.of_providers(
                {name: kept.judged.state.health.state for name, kept in stored.health.items()}
            )
            yield from concerns.of_alerts(
                {(one.kind, one.severity): (one.alerts, one.latest) for one in stored.standing}
            )
            yield from concerns.of_watermark(stored.now, stored.watermark(topic_name(self._kafka, LLM_CALLS)))
            for row in stored.outbox:
                yield from concerns.of_outbox(row.what, row.waiting, row.oldest_s)
        for lag in lags or ():
            yield from concerns.of_lag(lag.group, lag.topic, lag.records)
        for letter in letters or ():
            yield from concerns.of_dead_letters(letter.topic, letter.waiting)

    async def _read_lags(self) -> list[Lag]:
        """The topics of the stream processors are those of which they have noted how far they are."""
        _, reached = await self._database.run(_freshness)
        known = {topic.name for topic in TOPICS}  # stream processors note topics without their prefix
        streamed = {one.topic for one in reached if one.sink != "ledger" and one.topic in known}
        async with asyncio.timeout(PATIENCE_S):
            return await read_lags(self._kafka, working_groups(self._kafka, sorted(streamed)))


async def _stored(pool: Pool, tenant: str | None) -> Stored:
    async with pool.acquire() as connection:
        now, reached = await read_freshness(connection)
        outbox = await read_outbox(connection)
    health, standing = await read_health(pool), await read_standing(pool, tenant, fold=True)
    return Stored(now=now, reached=reached, outbox=outbox, health=health, standing=standing)


async def _freshness(pool: Pool) -> tuple[datetime, list[Reached]]:
    async with pool.acquire() as connection:
        return await read_freshness(connection)


async def _ask(what: str, answer: Awaitable[T], failed: dict[str, str]) -> T | None:
    """The answer, or None and why not."""
    try:
        return await answer
    except DatabaseAway as error:
        failed["PostgreSQL"] = str(error)
    except TimeoutError:
        failed[what] = "not in time"
    except (KafkaError, NoSuchTopic) as error:
        failed[what] = str(error) or type(error).__name__
    return None


async def _nothing() -> None:
    return None
