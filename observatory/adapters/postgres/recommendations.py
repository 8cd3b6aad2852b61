"""The figures that recommendations are read from, and the recommendations that were found last.

Whole periods of facts are read, so this is for one process at a time, now and then. Every call may raise one of
`pool.TRANSIENT` while the database is away.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid5

import orjson

from observatory.adapters.postgres.copying import copy_rows
from observatory.adapters.postgres.pool import Connection, Database, Pool
from observatory.adapters.postgres.queries import load_queries
from observatory.rules.cheaper_models import ModelUse
from observatory.rules.context_caching import CACHED_FOR, CACHED_FROM_TOKENS, UncachedContext
from observatory.rules.recommendations import Evidence, Recommendation, RepeatedPrompt
from schemas.base import decimal_text, rfc3339
from schemas.envelope import EVENT_NAMESPACE
from schemas.http_recommendations import RecommendationKind

_SQL = load_queries("observatory.adapters.postgres", "recommendations.sql")
_QUERY_S = 300

PERIOD_DAYS = 10
"""How far a look goes back. It divides 30, so that a month's saving is exact."""

OF_A_TENANT = 50
MOST_ROWS = 5_000
LOOK_AT = 5
"""Calls that are named with a recommendation."""


@dataclass(frozen=True, slots=True)
class Run:
    """The period that was looked at, up to when the facts were complete then, and when that was."""

    began: datetime
    ended: datetime
    watermark: datetime | None
    found_at: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """A recommendation as it is kept: the values of its evidence as JSON has them."""

    recommendation_id: UUID
    tenant_id: str
    kind: RecommendationKind
    subject: Mapping[str, str]
    saving_usd: Decimal
    evidence: Mapping[str, object]


class Figures:
    """Reads the figures of a period, each of them in a transaction of its own."""

    def __init__(self, pool: Pool, began: datetime, ended: datetime) -> None:
        self._pool, self._period = pool, (began, ended)

    async def repeated_prompts(self) -> list[RepeatedPrompt]:
        """Prompts that were answered more than once, those with the greatest saving first."""
        async with _reading(self._pool) as connection:
            rows = await connection.fetch(
                _SQL["repeated_prompts"], *self._period, OF_A_TENANT, MOST_ROWS, timeout=_QUERY_S
            )
        return [RepeatedPrompt(**row) for row in rows]

    async def uncached_contexts(self) -> list[UncachedContext]:
        """Conversations that read nothing from a cache, by day and model."""
        async with _reading(self._pool) as connection:
            rows = await connection.fetch(
                _SQL["uncached_contexts"], *self._period, CACHED_FROM_TOKENS, CACHED_FOR, MOST_ROWS, timeout=_QUERY_S
            )
        return [UncachedContext(**row) for row in rows]

    async def use_of_models(self, models: Sequence[tuple[str, str]]) -> list[ModelUse]:
        """By day, of these models of tenants."""
        tenants, names = [tenant for tenant, _ in models], [name for _, name in models]
        async with _reading(self._pool) as connection:
            rows = await connection.fetch(_SQL["use_of_models"], *self._period, tenants, names, timeout=_QUERY_S)
        return [ModelUse(**row) for row in rows]

    async def calls_of_prompts(self, prompts: Sequence[Sequence[str]]) -> dict[Sequence[str], list[str]]:
        """The first answered calls with each prompt, by tenant, provider, model and prompt hash."""
        return await self._calls("calls_of_prompts", *_columns(prompts, 4), LOOK_AT)

    async def largest_calls(self, models: Sequence[Sequence[str]]) -> dict[Sequence[str], list[str]]:
        """Calls with the largest prompts of those without a cache, by tenant, provider and model."""
        return await self._calls("largest_calls", CACHED_FROM_TOKENS, *_columns(models, 3), LOOK_AT)

    async def _calls(self, query: str, *arguments: object) -> dict[Sequence[str], list[str]]:
        calls: dict[Sequence[str], list[str]] = defaultdict(list)
        async with _reading(self._pool) as connection:
            for *subject, call_id in await connection.fetch(_SQL[query], *self._period, *arguments, timeout=_QUERY_S):
                calls[tuple(subject)].append(str(call_id))
        return calls


def _columns(rows: Sequence[Sequence[str]], count: int) -> list[list[str]]:
    return [[row[place] for row in rows] for place in range(count)]


async def keep(pool: Pool, run: Run, found: Sequence[Recommendation]) -> None:
    """Replaces all that was found before."""
    rows = [
        (
            recommendation_id(one),
            one.tenant_id,
            one.kind,
            orjson.dumps(one.subject).decode(),
            one.saving_usd,
            orjson.dumps(_json(one.evidence)).decode(),
        )
        for one in found
    ]
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(_SQL["only_one_run"])
        await connection.execute(_SQL["forget"])
        columns = ("recommendation_id", "tenant_id", "kind", "subject", "saving_usd", "evidence")
        await copy_rows(connection, "recommendations", columns, rows, schema="streams")
        await connection.execute(_SQL["note_run"], run.began, run.ended, run.watermark, run.found_at)


def recommendation_id(one: Recommendation) -> UUID:
    """The same for the same thing, run after run."""
    subject = orjson.dumps(one.subject, option=orjson.OPT_SORT_KEYS).decode()
    return uuid5(EVENT_NAMESPACE, f"{one.tenant_id}\x1f{one.kind}\x1f{subject}")


async def last_run(database: Database) -> Run | None:
    """The run that found what is kept; None before the first."""
    row = await database.fetchrow(_SQL["last_run"])
    return None if row is None else Run(*row)


async def page(
    database: Database,
    *,
    tenants: Sequence[str],
    kind: str | None = None,
    after: tuple[Decimal, UUID] | None = None,
    limit: int,
) -> list[Found]:
    """Those of the tenants (none: of all), the largest saving first, behind the one with that saving and id."""
    rows = await database.fetch(_SQL["page"], list(tenants) or None, kind, *(after or (None, None)), limit)
    return [
        Found(
            UUID(int=row["recommendation_id"].int), row["tenant_id"], row["kind"], orjson.loads(row["subject"]),
            row["saving_usd"], orjson.loads(row["evidence"]),
        )
        for row in rows
    ]  # fmt: skip


@asynccontextmanager
async def _reading(pool: Pool) -> AsyncIterator[Connection]:
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        await connection.execute(_SQL["settings"])
        yield connection


def _json(evidence: Evidence) -> dict[str, object]:
    return {name: _value(value) for name, value in evidence.items()}


def _value(value: object) -> object:
    if isinstance(value, Decimal):
        return decimal_text(value)
    return rfc3339(value) if isinstance(value, datetime) else value
