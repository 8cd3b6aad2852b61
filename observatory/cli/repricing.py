"""Jobs of `observatory reprice`: found or begun, and run at the prices that they were asked for."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from observatory.adapters.postgres.pool import Pool
from observatory.adapters.postgres.repricing import CursorMoved, Job, Wish, create_job, read_job, unfinished_job
from observatory.adapters.process import calm_collector
from observatory.adapters.repricing import JobBusy, run_job
from observatory.adapters.settings import Settings
from observatory.cli.options import parse_moment
from observatory.cli.output import json_text, stderr
from observatory.cli.price_input import format_of, read_price_file, rows_of_file
from observatory.cli.problems import Problem, wrong_usage
from observatory.cli.progress import progress
from observatory.rules.price_book import PriceBook, UnknownPriceVersion

WHAT_IF = "what-if"
"""The price version of calls that are costed at a price of the file."""


@dataclass(frozen=True)
class WhatIf:
    """A file of prices that might come."""

    name: str
    text: str


@dataclass(frozen=True)
class Asked:
    """The options of a job, as they were typed."""

    since: str | None
    until: str | None
    tenant: str | None
    model: str | None
    version: str | None
    what_if: WhatIf | None

    @property
    def text(self) -> str:
        """By which the same command is known again."""
        digest = None if self.what_if is None else hashlib.sha256(self.what_if.text.encode()).hexdigest()
        options = (self.since, self.until, self.tenant, self.model, self.version, digest)
        return json_text(options)


def read_what_if(file: Path) -> WhatIf:
    """The file's text; it is parsed when its job begins or goes on. Raises `Problem`."""
    _, data = read_price_file(file, None, hint="call it .csv or .jsonl, as what it is")
    try:
        return WhatIf(file.name, data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise wrong_usage(f"{file}: this is no UTF-8 text") from error


async def job_for(pool: Pool, newest: PriceBook, asked: Asked) -> Job:
    """The unfinished job that the same command began, else a new one. Raises `Problem`, then nothing was begun."""
    known = await unfinished_job(pool, asked.text)
    if known is not None:
        return known
    now = datetime.now(UTC)
    wish = Wish(
        asked=asked.text,
        since=parse_moment(asked.since, now),
        until=parse_moment(asked.until, now) or now,
        tenant_id=asked.tenant,
        model=asked.model,
        price_version=newest.versions[-1].name if asked.version is None else _version(newest, asked.version),
        overrides=None if asked.what_if is None else asked.what_if.text,
        overrides_name=None if asked.what_if is None else asked.what_if.name,
    )
    _prices(newest, wish)
    return await create_job(pool, wish)


def _version(newest: PriceBook, name: str) -> str:
    try:
        return newest.version_named(name).name
    except UnknownPriceVersion as error:
        raise wrong_usage(f"{error}; 'observatory prices history' shows the versions") from error


def _prices(newest: PriceBook, wish: Wish) -> PriceBook:
    """The book as of the version of a job, with the rows of its what-if file."""
    book = newest.as_of(newest.version_named(wish.price_version).version)
    if wish.overrides is None or wish.overrides_name is None:
        return book
    file = Path(wish.overrides_name)
    rows = rows_of_file(file, format_of(file) or "csv", wish.overrides.encode(), book)
    return book.with_overrides(rows, name=WHAT_IF)


async def known_job(pool: Pool, job_id: int) -> Job:
    """The job of that number. Raises `Problem`."""
    job = await read_job(pool, job_id)
    if job is None:
        raise no_such_job(job_id)
    return job


def no_such_job(job_id: int) -> Problem:
    """There is no job of that number."""
    return wrong_usage(f"there is no job {job_id}; 'observatory reprice list' shows them")


async def run(config: Settings, job: Job, newest: PriceBook) -> Job:
    """Runs a job to its end, with a bar. Raises `Problem`."""
    prices = _prices(newest, job)
    going_on = f", {job.calls:,} of them costed already" if job.calls else ""
    stderr().print(f"Job {job.job_id}: {job.expected_calls:,} calls at the prices of {prices_of(job)}{going_on}.")
    calm_collector()
    try:
        with progress(f"job {job.job_id}", job.expected_calls) as advance:
            return await run_job(config.database_url, job.job_id, prices, advance)
    except JobBusy as error:
        raise Problem(str(error)) from error
    except CursorMoved as error:
        raise Problem(f"job {job.job_id} was moved on by another process; this one wrote nothing twice") from error


def prices_of(job: Job) -> str:
    """At which prices a job costs calls, in words."""
    return job.price_version if job.overrides_name is None else f"{job.price_version} with {job.overrides_name}"
