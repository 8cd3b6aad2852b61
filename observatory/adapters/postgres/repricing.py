"""Jobs that cost facts again, in the database: what was asked for, how far they are, both costs of each call."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple
from uuid import UUID

import asyncpg
from asyncpg import Record

from observatory.adapters.postgres.pool import Connection, Pool
from observatory.adapters.postgres.queries import load_queries
from observatory.rules.repricing import PricedCall
from observatory.rules.usage import StoredUsage

_SQL = load_queries("observatory.adapters.postgres", "repricing.sql")
_SQL = {name: text.replace("{period}", _SQL["period"]) for name, text in _SQL.items()}
_QUERY_S = 600


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a job is to do. `asked` is the command as it was given; `overrides` the text of a what-if file."""

    asked: str
    since: datetime | None
    until: datetime
    tenant_id: str | None
    model: str | None
    price_version: str
    overrides: str | None = None
    overrides_name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Job(Wish):
    """A job as it stands. Costs in US dollars, exact; they lack the calls counted as unpriced."""

    job_id: int
    state: Literal["running", "done"]
    cursor_started_at: datetime | None
    cursor_call_id: UUID | None
    expected_calls: int
    calls: int
    unpriced_before: int
    unpriced_after: int
    cost_before_usd: Decimal
    cost_after_usd: Decimal
    recosted_calls: int
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None

    @property
    def period(self) -> tuple[datetime | None, datetime, str | None, str | None]:
        """As the statements take it."""
        return self.since, self.until, self.tenant_id, self.model


class Repriced(NamedTuple):
    """One row of `ledger.repriced_calls`."""

    job_id: int
    started_at: datetime
    call_id: UUID
    revision: int
    tenant_id: str
    model: str
    cost_before_usd: Decimal | None
    cost_usd: Decimal | None
    price_version: str | None


class StoredCall(NamedTuple):
    """A fact as far as it is costed again."""

    call_id: UUID
    revision: int
    call: PricedCall


@dataclass(frozen=True, kw_only=True)
class Totals:
    """What some calls add to a job's totals."""

    calls: int
    unpriced_before: int
    unpriced_after: int
    cost_before_usd: Decimal
    cost_after_usd: Decimal


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a report: calls of a tenant and model, both None in the total. Costs as in `Job`."""

    tenant_id: str | None
    model: str | None
    calls: int
    unpriced_before: int
    unpriced_after: int
    cost_before_usd: Decimal
    cost_after_usd: Decimal
    difference_usd: Decimal


class CursorMoved(Exception):
    """Another process has moved the job on: nothing was written."""


async def create_job(pool: Pool, wish: Wish) -> Job:
    """A new job; counts what there is to do."""
    period = (wish.since, wish.until, wish.tenant_id, wish.model)
    expected = await pool.fetchval(_SQL["count"], *period, timeout=_QUERY_S)
    row = await pool.fetchrow(
        _SQL["create_job"], *period, wish.asked, wish.price_version, wish.overrides, wish.overrides_name, expected
    )
    assert row is not None
    return _job(row)


async def read_job(pool: Pool, job_id: int) -> Job | None:
    """The job of that number, if there is one."""
    row = await pool.fetchrow(_SQL["job"], job_id)
    return None if row is None else _job(row)


async def unfinished_job(pool: Pool, asked: str) -> Job | None:
    """The newest unfinished job that the same command began."""
    row = await pool.fetchrow(_SQL["unfinished"], asked)
    return None if row is None else _job(row)


async def list_jobs(pool: Pool, most: int, tenant_id: str | None = None) -> list[Job]:
    """The newest jobs, all or those about one tenant."""
    return [_job(row) for row in await pool.fetch(_SQL["jobs"], most, tenant_id)]


async def remove_job(pool: Pool, job_id: int) -> bool:
    """Removes a job and its costs; whether there was one."""
    return await pool.fetchval(_SQL["remove_job"], job_id, timeout=_QUERY_S) is not None


async def count_stale(pool: Pool, job: Job) -> int:
    """How many facts came or changed since the job costed them."""
    return int(await pool.fetchval(_SQL["count_stale"], *job.period, job.job_id, timeout=_QUERY_S))


async def read_report(pool: Pool, job_id: int) -> tuple[list[Line], Line]:
    """Lines by tenant and model, the greatest change first, and the total."""
    rows = await pool.fetch(_SQL["report"], job_id, timeout=_QUERY_S)
    total, *lines = [Line(**{name: value for name, value in row.items() if name != "grand"}) for row in rows]
    return lines, total


class JobTables:
    """What a running job reads and writes, through two connections of its own: it reads ahead while it writes."""

    def __init__(self, reading: Connection, writing: Connection) -> None:
        self._reading, self._writing = reading, writing

    async def take(self, job_id: int) -> Job | None:
        """The job as it stands, ours for as long as the connection lives; None when another process has it."""
        if not await self._writing.fetchval(_SQL["only_one_runner"], job_id):
            return None
        row = await self._writing.fetchrow(_SQL["job"], job_id)
        return None if row is None else _job(row)

    async def facts(self, job: Job, chunk: int) -> AsyncGenerator[Sequence[Record], None]:
        """The facts after the job's cursor, in its order, `chunk` at a time; each row as `stored_call` takes it."""
        async for rows in self._fetched(_SQL["facts"], job, chunk, job.cursor_started_at, job.cursor_call_id):
            yield rows

    async def changed(self, job: Job, chunk: int) -> AsyncGenerator[Sequence[Record], None]:
        """Facts that came or changed since they were costed."""
        async for rows in self._fetched(_SQL["changed"], job, chunk, job.job_id):
            yield rows

    async def _fetched(
        self, statement: str, job: Job, chunk: int, *arguments: object
    ) -> AsyncGenerator[Sequence[Record], None]:
        async with self._reading.transaction():
            await self._reading.execute(_SQL["sort_in_memory"])
            cursor = await self._reading.cursor(statement, *job.period, *arguments)
            while rows := await cursor.fetch(chunk):
                yield rows

    async def advance(self, job: Job, rows: Sequence[Repriced], totals: Totals, reached: tuple[datetime, UUID]) -> None:
        """Writes a chunk and moves the cursor to `reached`, together or not at all. Raises `CursorMoved`."""
        async with self._writing.transaction():
            await self._writing.execute(_SQL["commit_without_waiting"])
            moved = await self._writing.execute(
                _SQL["advance"], job.job_id, job.cursor_started_at, job.cursor_call_id, *reached, *_values(totals)
            )
            if moved != "UPDATE 1":
                raise CursorMoved
            await self._copy(rows)

    async def recost(self, job: Job, rows: Sequence[Repriced], totals: Totals) -> None:
        """Writes calls that may have been costed before, in place of what was written then."""
        async with self._writing.transaction():
            await self._writing.execute(_SQL["commit_without_waiting"])
            gone = await self._writing.fetchrow(
                _SQL["take_back"], job.job_id, [row.started_at for row in rows], [row.call_id for row in rows]
            )
            assert gone is not None
            await self._copy(rows)
            change = [new - old for new, old in zip(_values(totals), gone, strict=True)]
            await self._writing.execute(_SQL["recost"], job.job_id, *change, len(rows))

    async def finish(self, job: Job) -> Job:
        """The job is done."""
        row = await self._writing.fetchrow(_SQL["finish"], job.job_id)
        assert row is not None
        return _job(row)

    async def _copy(self, rows: Sequence[Repriced]) -> None:
        await self._writing.copy_records_to_table(
            "repriced_calls", schema_name="ledger", records=rows, columns=Repriced._fields
        )


def stored_call(row: Record) -> StoredCall:
    """From a row of `facts` or `changed`."""
    (call_id, started_at, revision, tenant_id, provider, request_model, response_model, region, tier, source,
     cost_usd, price_version, *counts) = row  # fmt: skip
    usage = None if counts[4] is None else StoredUsage._make(counts)
    call = PricedCall(
        started_at, tenant_id, provider, request_model, response_model, region, tier, source, usage, cost_usd,
        price_version,
    )  # fmt: skip
    return StoredCall(call_id, revision, call)


def _values(totals: Totals) -> tuple[int | Decimal, ...]:
    return (
        totals.calls,
        totals.unpriced_before,
        totals.unpriced_after,
        totals.cost_before_usd,
        totals.cost_after_usd,
    )


def _job(row: Record) -> Job:
    return Job(**{field.name: row[field.name] for field in fields(Job)})


async def connect(url: str) -> Connection:
    """A connection for a job: its statements take as long as they take."""
    return await asyncpg.connect(
        url, timeout=10, server_settings={"timezone": "UTC", "application_name": "observatory-reprice"}
    )
