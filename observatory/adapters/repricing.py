"""Costs the facts of a job again, chunk by chunk; killed at any time, it goes on where the last chunk was committed."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal

from asyncpg import Record

from observatory.adapters.postgres.repricing import Job, JobTables, Repriced, Totals, connect, stored_call
from observatory.rules.money import MONEY, ZERO
from observatory.rules.pricing import Prices
from observatory.rules.repricing import cost_again

CHUNK = 10_000

Rows = Sequence[Record]


class JobBusy(Exception):
    """The job is not there to be run: another process runs it, or removed it."""


async def run_job(
    url: str, job_id: int, prices: Prices, on_progress: Callable[[int], None], *, chunk: int = CHUNK
) -> Job:
    """Brings a job to its end, or a done one up to date; the job as it stands then.

    1. On through the period from the cursor: each chunk is written together with the cursor.
    2. Then once over the facts that came or changed since they were costed.

    `on_progress` is told how many calls are costed. Raises `JobBusy`, `CursorMoved`, and what asyncpg raises when the
    database is away.
    """
    reading, writing = await connect(url), await connect(url)
    try:
        tables = JobTables(reading, writing)
        job = await tables.take(job_id)
        if job is None:
            raise JobBusy(f"job {job_id} is being run by another process, or was removed")
        if job.state == "running":
            async with aclosing(tables.facts(job, chunk)) as facts:
                await _go_through(facts, tables, job, prices, on_progress)
        async with aclosing(tables.changed(job, chunk)) as changed:
            async for rows in changed:
                await tables.recost(job, *cost_chunk(job.job_id, rows, prices))
        return await tables.finish(job)
    finally:
        await reading.close()
        await writing.close()


async def _go_through(
    facts: AsyncGenerator[Rows, None], tables: JobTables, job: Job, prices: Prices, on_progress: Callable[[int], None]
) -> None:
    """While one chunk is costed here, the database fetches the next one and writes the one before."""
    done = job.calls
    fetching = asyncio.create_task(_next(facts))
    writing: asyncio.Task[None] | None = None
    try:
        while rows := await fetching:
            fetching = asyncio.create_task(_next(facts))
            await asyncio.sleep(0)  # the request goes out before we are busy
            repriced, totals = cost_chunk(job.job_id, rows, prices)
            if writing is not None:
                await writing
            last = repriced[-1]
            writing = asyncio.create_task(tables.advance(job, repriced, totals, (last.started_at, last.call_id)))
            job = replace(job, cursor_started_at=last.started_at, cursor_call_id=last.call_id)
            done += totals.calls
            on_progress(done)
        if writing is not None:
            await writing
    finally:
        tasks = [task for task in (fetching, writing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _next(facts: AsyncGenerator[Rows, None]) -> Rows:
    return await anext(facts, None) or ()


def cost_chunk(job_id: int, rows: Rows, prices: Prices) -> tuple[list[Repriced], Totals]:
    """Both costs of each call, in the order of the rows, and their sums, exact."""
    repriced: list[Repriced] = []
    before = after = ZERO
    unpriced_before = unpriced_after = 0
    add = MONEY.add
    for row in rows:
        call_id, revision, call = stored_call(row)
        cost, price_version = cost_again(call, prices)
        known: Decimal | None = call.cost_usd
        if known is None:
            unpriced_before += 1
        else:
            before = add(before, known)
        if cost is None:
            unpriced_after += 1
        else:
            after = add(after, cost)
        model = call.response_model or call.request_model
        repriced.append(
            Repriced(job_id, call.started_at, call_id, revision, call.tenant_id, model, known, cost, price_version)
        )
    totals = Totals(
        calls=len(repriced),
        unpriced_before=unpriced_before,
        unpriced_after=unpriced_after,
        cost_before_usd=before,
        cost_after_usd=after,
    )
    return repriced, totals
