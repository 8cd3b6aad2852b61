"""`observatory reprice`: what calls would cost at other prices, and the cost of those that had no price."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from observatory.adapters.postgres.pool import Pool
from observatory.adapters.postgres.prices import load_book
from observatory.adapters.postgres.repricing import Job, Line, count_stale, list_jobs, read_report, remove_job
from observatory.adapters.unpriced import Booked, Unpriced, book_known_costs
from observatory.cli.options import AtMost, Json, Since, Until, parse_moment
from observatory.cli.output import add_row, cell, print_csv, print_json, stderr, stdout, table
from observatory.cli.outside import database, publisher, settings
from observatory.cli.problems import FAILED, wrong_usage
from observatory.cli.repricing import Asked, job_for, known_job, no_such_job, prices_of, read_what_if, run

JobId = Annotated[int, Parameter(help="As `observatory reprice list` shows it.")]
Csv = Annotated[bool, Parameter(name="--csv", show_default=False, help="Print CSV and nothing else on stdout.")]
Tenant = Annotated[str | None, Parameter(help="Only this tenant.")]
Model = Annotated[str | None, Parameter(help="Only this model, as the provider named it.")]

_SHOWN = 50

reprice = App(
    name="reprice",
    help="""Cost calls again at the prices of another version, or at prices that might come; what they did cost stays.

A job keeps both costs of each call and a report of the difference. It can be interrupted: the same command, or
`--resume`, goes on where it stood. A job that is done and resumed costs the calls that came or changed since.

Some uses:

`observatory reprice --since 30d --model gpt-4o`

`observatory reprice --since 2026-11-01T00:00:00Z --until 2026-12-01T00:00:00Z --version book/7`

`observatory reprice --since 30d --file offer.csv`

`observatory reprice report 3 --csv`

`observatory reprice book --since 7d`""",
)


@reprice.default
async def start(
    *,
    since: Since = None,
    until: Until = None,
    tenant: Tenant = None,
    model: Model = None,
    version: Annotated[str | None, Parameter(help="The price book as of this version; the newest if not said.")] = None,
    file: Annotated[
        Path | None, Parameter(help="What if these prices came on top? As `observatory prices import` takes them.")
    ] = None,
    resume: Annotated[int | None, Parameter(help="Go on with this job, or bring a done one up to date.")] = None,
    json: Json = False,
) -> int:
    """Cost calls again and report the difference by tenant and model."""
    if resume is not None and any(given is not None for given in (since, until, tenant, model, version, file)):
        raise wrong_usage("--resume goes on with a job as it was asked for: say nothing else")
    config = settings()
    what_if = None if file is None else read_what_if(file)
    async with database(config.database_url) as pool:
        newest = await load_book(pool)
        if resume is None:
            job = await job_for(pool, newest, Asked(since, until, tenant, model, version, what_if))
        else:
            job = await known_job(pool, resume)
        done = await run(config, job, newest)
        await _show(pool, done, as_json=json, as_csv=False)
    return 0


@reprice.command
async def report(job_id: JobId, /, *, json: Json = False, csv: Csv = False) -> int:
    """Show the cost before and after by tenant and model, exact, the greatest change first."""
    async with database(settings().database_url) as pool:
        await _show(pool, await known_job(pool, job_id), as_json=json, as_csv=csv)
    return 0


@reprice.command(name="list")
async def list_all(*, last: AtMost = 20, json: Json = False) -> int:
    """List the newest jobs."""
    async with database(settings().database_url) as pool:
        jobs = await list_jobs(pool, last)
    if json:
        print_json([_job_json(job) for job in jobs], indent=True)
        return 0
    rows = table(
        ["job", "state", "prices", "since", "until", "tenant", "model", "calls", "of", "before $", "after $"], left=7
    )
    for job in jobs:
        add_row(
            rows, str(job.job_id), job.state, prices_of(job), job.since, job.until, job.tenant_id, job.model,
            job.calls, job.expected_calls, job.cost_before_usd, job.cost_after_usd,
        )  # fmt: skip
    stdout().print(rows if jobs else "There are no jobs.")
    return 0


@reprice.command
async def remove(job_id: JobId, /) -> int:
    """Remove a job with the costs that it computed."""
    async with database(settings().database_url) as pool:
        if not await remove_job(pool, job_id):
            raise no_such_job(job_id)
    stderr().print(f"Job {job_id} is removed.", markup=False)
    return 0


@reprice.command
async def book(
    *,
    since: Since = None,
    until: Until = None,
    tenant: Tenant = None,
    model: Model = None,
    dry_run: Annotated[bool, Parameter(help="Say what would be booked and change nothing.")] = False,
    json: Json = False,
) -> int:
    """Book the cost of calls that had no price and now have one, at the newest prices.

    Each such call gets a new revision, in the journal and on the topic llm.calls, so that facts and rollups follow. The
    exit code is 1 when calls are left without a cost: their price is still unknown, or their row in the journal is gone
    (it is kept for a shorter time than the fact).

    Some uses:

    `observatory reprice book --dry-run`

    `observatory reprice book --since 7d --model our-new-model --json`
    """
    config, now = settings(), datetime.now(UTC)
    wanted = Unpriced(
        since=parse_moment(since, now), until=parse_moment(until, now) or now, tenant_id=tenant, model=model
    )
    async with database(config.database_url) as pool, publisher(config.kafka) as out:
        prices = await load_book(pool)
        booked = await book_known_costs(pool, out, prices, wanted, dry_run=dry_run)
    if json:
        print_json(asdict(booked), indent=True)
    else:
        _print_booked(booked, dry_run=dry_run)
    return FAILED if booked.left else 0


async def _show(pool: Pool, job: Job, *, as_json: bool, as_csv: bool) -> None:
    lines, total = await read_report(pool, job.job_id)
    if as_csv:
        print_csv(asdict(line) for line in (*lines, total))
        return
    stale = await count_stale(pool, job)
    if as_json:
        groups = [asdict(line) for line in lines]
        print_json(
            {"job": _job_json(job), "stale_calls": stale, "total": _figures(total), "groups": groups}, indent=True
        )
        return
    rows = table(
        ["tenant", "model", "calls", "unpriced before", "after", "cost before $", "after $", "difference $"], left=2
    )
    for line in lines[:_SHOWN]:
        add_row(rows, line.tenant_id, line.model, *_figures(line).values())
    rows.add_section()
    add_row(rows, "total", "", *_figures(total).values(), style="bold")
    stdout().print(rows)
    _remark(job, stale, len(lines) - _SHOWN)


def _remark(job: Job, stale: int, hidden: int) -> None:
    say = stderr().print
    if hidden > 0:
        say(f"{hidden} more lines: --csv and --json have them all.")
    if job.state == "running":
        say(f"Not complete: {job.calls:,} of {job.expected_calls:,} calls. '--resume {job.job_id}' goes on.")
    elif stale:
        say(f"{stale:,} calls came or changed since: '--resume {job.job_id}' costs them.")


def _figures(line: Line) -> dict[str, object]:
    return {name: value for name, value in asdict(line).items() if name not in ("tenant_id", "model")}


def _job_json(job: Job) -> dict[str, object]:
    return {name: value for name, value in asdict(job).items() if name not in ("asked", "overrides")}


def _print_booked(booked: Booked, *, dry_run: bool) -> None:
    say = stdout().print
    say(f"{booked.unpriced:,} calls without a price; {'would be booked' if dry_run else 'booked'}: {booked.booked:,}")
    if booked.booked:
        say(f"their cost: ${cell(booked.cost_usd)}")
    if booked.not_applied:
        say(f"{booked.not_applied:,} have a cost that the ledger has not read yet")
    if booked.under_way:
        say(f"{booked.under_way:,} were changed meanwhile, or are still under way: run it again")
    for model, calls in booked.still_unpriced.items():
        say(f"[yellow]still without a price[/yellow]: {calls:,} of {cell(model)}")
    if booked.not_in_journal:
        first = ", ".join(str(call_id) for call_id in booked.not_in_journal_shown)
        say(f"[red]no longer in the journal[/red]: {booked.not_in_journal:,}, the first: {first}")
