"""Jobs that cost the facts of a real ledger again: exact, resumable, and identical at the original version."""

import asyncio
import csv
import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from observatory.adapters.postgres.prices import load_book, record
from observatory.adapters.postgres.repricing import Job, Wish, count_stale, create_job, read_job, read_report
from observatory.adapters.prices import SHIPPED_VERSION, shipped_book
from observatory.adapters.repricing import JobBusy, run_job
from observatory.rules.price_rows import PriceRow
from observatory.rules.repricing import cost_again, priced_call
from tests.observatory.cli.conftest import CHECKOUT, Cli
from tests.streams.ledger.calls import NOW, TOKENS, Body, call, encode
from tests.streams.ledger.ground import Ground

FACTS = (Path(CHECKOUT) / "loadtests" / "bench" / "sql" / "generate_facts.sql").read_text()
MINI = "gpt-4o-mini-2024-07-18"
TENFOLD = PriceRow(provider="openai", model=MINI, input_usd_mtok=Decimal("1.5"), output_usd_mtok=Decimal(6))
"""What the shipped list says of it, times ten; cached tokens are charged as plain ones."""
WHOLE = Wish(asked="test", since=None, until=NOW + timedelta(days=1), tenant_id=None, model=None,
             price_version=SHIPPED_VERSION)  # fmt: skip


class Crash(Exception):
    """What stands for a kill in the middle of a job."""


@pytest.fixture(scope="module")
async def facts(ground: Ground) -> list[Body]:
    """Facts at the shipped prices, and some without a price, refused, or never sent."""
    bodies = [at_shipped_prices(call()) for _ in range(300)]
    others = "tenant-2"
    bodies += [
        call(
            tenant_id=others, response_model="unheard-of", request_model="unheard-of", cost_usd=None, price_version=None
        )
    ]
    bodies += [
        call(tenant_id=others, status="not_sent", cost_usd="0", price_version=None, usage=dict.fromkeys(TOKENS, 0))
    ]
    bodies += [
        call(tenant_id=others, status="error", cost_usd=None, price_version=None, usage=None, usage_source="missing")
    ]
    await book(ground, bodies)
    return bodies


def at_shipped_prices(body: Body) -> Body:
    unpriced = {name: value for name, value in body.items() if name not in ("cost_usd", "price_version")}
    cost, version = cost_again(priced_call(encode(unpriced)), shipped_book())
    assert cost is not None
    return {**unpriced, "cost_usd": f"{cost:f}", "price_version": version}


async def book(ground: Ground, bodies: list[Body]) -> None:
    async with ground.ledger():
        await ground.produce(bodies)
        await ground.until_applied()


async def run(ground: Ground, job: Job, on_progress: Callable[[int], None] = lambda _: None, chunk: int = 37) -> Job:
    prices = (await load_book(ground.pool)).as_of(1)
    return await run_job(ground.settings.database_url, job.job_id, prices, on_progress, chunk=chunk)


async def assert_whole(ground: Ground, job: Job) -> None:
    """The job has costed every fact once, in its present revision, and its totals are the sums of its rows."""
    different = """SELECT count(*) FROM ledger.calls AS c
        FULL JOIN (SELECT * FROM ledger.repriced_calls WHERE job_id = $1) AS r USING (call_id, started_at)
        WHERE c.call_id IS NULL OR r.call_id IS NULL OR c.revision <> r.revision
           OR c.cost_usd IS DISTINCT FROM r.cost_before_usd"""
    assert await ground.pool.fetchval(different, job.job_id) == 0
    _, total = await read_report(ground.pool, job.job_id)
    assert (job.state, job.calls, job.unpriced_before, job.unpriced_after, job.cost_before_usd, job.cost_after_usd) == (
        "done", total.calls, total.unpriced_before, total.unpriced_after, total.cost_before_usd, total.cost_after_usd,
    )  # fmt: skip


async def test_at_the_version_that_they_were_priced_with_all_calls_cost_what_they_did(
    ground: Ground, facts: list[Body], cli: Cli
) -> None:
    ran = await cli("reprice", "--version", SHIPPED_VERSION, "--json")
    found = ran.answer()
    total = found["total"]
    assert isinstance(total, dict)
    expected = sum((Decimal(str(body.get("cost_usd", "0"))) for body in facts), Decimal())
    assert (total["calls"], total["unpriced_before"], total["unpriced_after"]) == (len(facts), 2, 2)
    assert Decimal(total["cost_before_usd"]) == Decimal(total["cost_after_usd"]) == expected > 0
    assert Decimal(total["difference_usd"]) == found["stale_calls"] == 0
    different = "SELECT count(*) FROM ledger.repriced_calls WHERE cost_usd IS DISTINCT FROM cost_before_usd"
    assert await ground.pool.fetchval(different) == 0
    job = found["job"]
    assert isinstance(job, dict)
    done = await read_job(ground.pool, job["job_id"])
    assert done is not None
    await assert_whole(ground, done)


async def test_the_report_is_exact_by_tenant_and_model(ground: Ground, facts: list[Body], cli: Cli) -> None:
    version = await record(ground.pool, "set", [TENFOLD])
    ran = await cli("reprice", "--model", MINI, "--tenant", "tenant-1", "--json")
    found = ran.answer()
    mine = [body for body in facts if (body["tenant_id"], body.get("response_model")) == ("tenant-1", MINI)]
    after = Decimal()
    for body in mine:
        usage = body["usage"]
        assert isinstance(usage, dict)
        prompt = sum(usage[name] for name in TOKENS[:4])
        after += prompt * Decimal("0.0000015") + usage["output_tokens"] * Decimal("0.000006")
    before = sum((Decimal(str(body["cost_usd"])) for body in mine), Decimal())
    groups = found["groups"]
    assert isinstance(groups, list)
    assert [(g["tenant_id"], g["model"], g["calls"]) for g in groups] == [("tenant-1", MINI, len(mine))]
    assert (Decimal(groups[0]["cost_before_usd"]), Decimal(groups[0]["cost_after_usd"])) == (before, after)
    job = found["job"]
    assert isinstance(job, dict)
    assert (job["price_version"], job["model"]) == (version.name, MINI)
    kept = await ground.pool.fetchval(
        "SELECT sum(cost_usd) FROM ledger.calls WHERE tenant_id = 'tenant-1' AND response_model = $1", MINI
    )
    assert kept == before
    lines = list(csv.DictReader((await cli("reprice", "report", str(job["job_id"]), "--csv")).stdout.splitlines()))
    assert [line["tenant_id"] for line in lines] == ["tenant-1", ""]
    assert {Decimal(line["difference_usd"]) for line in lines} == {after - before}


async def test_what_if_prices_of_a_file_come_before_the_book_and_are_recorded_nowhere(
    ground: Ground, facts: list[Body], cli: Cli, tmp_path: Path
) -> None:
    file = tmp_path / "offer.csv"
    file.write_text(f"provider,model,input_usd_mtok,output_usd_mtok\nopenai,{MINI},0.15,0\n")
    versions = await ground.pool.fetchval("SELECT count(*) FROM ledger.price_versions")
    ran = await cli("reprice", "--version", SHIPPED_VERSION, "--file", str(file), "--json")
    found = ran.answer()
    job = found["job"]
    assert isinstance(job, dict)
    assert (ran.code, job["price_version"], job["overrides_name"]) == (0, SHIPPED_VERSION, "offer.csv")
    after = Decimal()
    for body in facts:
        usage = body.get("usage")
        if body.get("response_model") == MINI and body["status"] == "ok" and isinstance(usage, dict):
            after += sum(usage[name] for name in TOKENS[:4]) * Decimal("0.00000015")
    at_offer = await ground.pool.fetchval(
        "SELECT sum(cost_usd) FROM ledger.repriced_calls WHERE job_id = $1 AND price_version = 'what-if'", job["job_id"]
    )
    assert at_offer == after
    others = """SELECT count(*) FROM ledger.repriced_calls
        WHERE job_id = $1 AND price_version <> 'what-if' AND cost_usd IS DISTINCT FROM cost_before_usd"""
    assert await ground.pool.fetchval(others, job["job_id"]) == 0
    assert await ground.pool.fetchval("SELECT count(*) FROM ledger.price_versions") == versions
    await ground.pool.execute("UPDATE ledger.repricing_jobs SET state = 'running' WHERE job_id = $1", job["job_id"])
    file.unlink()
    resumed = (await cli("reprice", "--resume", str(job["job_id"]), "--json")).answer()
    assert resumed["total"] == found["total"]


async def test_a_bad_what_if_file_is_refused_whole_with_its_lines(ground: Ground, cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "offer.csv"
    file.write_text("provider,model,input_usd_mtok\nopenai,a,-1\nopenai,b,1\nopenai,b,2\n")
    jobs = await ground.pool.fetchval("SELECT count(*) FROM ledger.repricing_jobs")
    ran = await cli("reprice", "--file", str(file))
    assert (ran.code, ran.stdout) == (1, "")
    assert [line.split(":")[1] for line in ran.stderr.splitlines()[1:]] == ["2", "4"]
    assert await ground.pool.fetchval("SELECT count(*) FROM ledger.repricing_jobs") == jobs
    nameless = await cli("reprice", "--file", str(tmp_path / "offer"))
    assert (nameless.code, nameless.stdout) == (2, "")


@pytest.mark.parametrize("after_chunks", [0, 1, 3, 7])
async def test_a_job_that_died_anywhere_goes_on_and_costs_each_call_once(
    ground: Ground, facts: list[Body], after_chunks: int
) -> None:
    job = await create_job(ground.pool, WHOLE)
    told: list[int] = []

    def die(done: int) -> None:
        told.append(done)
        if len(told) > after_chunks:
            raise Crash

    with pytest.raises(Crash):
        await run(ground, job, die)
    half_done = await read_job(ground.pool, job.job_id)
    assert half_done is not None
    assert half_done.state == "running"
    assert half_done.calls <= 37 * after_chunks + 37 < len(facts)
    await assert_whole(ground, await run(ground, job))


async def test_a_fact_that_grows_or_comes_late_is_stale_and_costed_on_resume(ground: Ground, facts: list[Body]) -> None:
    done = await run(ground, await create_job(ground.pool, WHOLE))
    await assert_whole(ground, done)
    grown = {
        **facts[0],
        "revision": 2,
        "response_model": "gpt-4o-2024-11-20",
        "cost_usd": "7",
        "cost_state": "reconciled",
    }
    late = at_shipped_prices(call(started_at=(NOW - timedelta(hours=3)).isoformat()))
    await book(ground, [grown, late])
    assert await count_stale(ground.pool, done) == 2
    again = await run(ground, done)
    assert again.recosted_calls == 2
    await assert_whole(ground, again)
    assert await count_stale(ground.pool, again) == 0


async def test_a_fact_that_grows_while_its_job_runs_is_costed_in_its_last_revision(
    ground: Ground, facts: list[Body]
) -> None:
    job = await create_job(ground.pool, WHOLE)

    def die(_: int) -> None:
        raise Crash

    with pytest.raises(Crash):
        await run(ground, job, die, chunk=250)
    await book(ground, [{**body, "revision": 3, "cost_usd": "1.5"} for body in facts[5:25]])
    await assert_whole(ground, await run(ground, job, chunk=250))


async def test_a_job_is_run_by_one_process_at_a_time(ground: Ground, facts: list[Body]) -> None:
    job = await create_job(ground.pool, WHOLE)
    holder = await ground.pool.acquire()
    await holder.execute(
        "SELECT pg_advisory_lock(hashtextextended('ledger.repricing_jobs ' || $1::bigint, 0))", job.job_id
    )
    try:
        with pytest.raises(JobBusy):
            await run(ground, job)
    finally:
        await holder.execute("SELECT pg_advisory_unlock_all()")
        await ground.pool.release(holder)
    await assert_whole(ground, await run(ground, job))


async def test_a_killed_command_given_again_goes_on_with_its_job(ground: Ground, cli: Cli) -> None:
    calls = 150_000
    await ground.pool.execute(FACTS, calls, NOW, timeout=60)
    everything = ("reprice", "--since", (NOW - timedelta(hours=1)).isoformat(), "--json")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "observatory.cli.main", *everything,
        cwd=CHECKOUT,
        env={**os.environ, "OBSERVATORY_DATABASE_URL": ground.settings.database_url},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip

    async def begun() -> bool:
        newest = await ground.pool.fetchrow(
            "SELECT calls, state FROM ledger.repricing_jobs ORDER BY job_id DESC LIMIT 1"
        )
        return newest is not None and newest["state"] == "running" and newest["calls"] > 0

    await ground.until(begun)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    killed = await ground.pool.fetchrow("SELECT * FROM ledger.repricing_jobs ORDER BY job_id DESC LIMIT 1")
    assert killed is not None
    assert killed["state"] == "running"
    ran = await cli(*everything)
    found = ran.answer()
    job = found["job"]
    assert isinstance(job, dict)
    assert (job["job_id"], job["state"], found["stale_calls"]) == (killed["job_id"], "done", 0)
    assert job["calls"] == job["expected_calls"] > calls
    whole = await read_job(ground.pool, job["job_id"])
    assert whole is not None
    await assert_totals(ground, whole)
    one_tenant = (await cli("reprice", "--tenant", "bench-07", "--json")).answer()["total"]
    assert isinstance(one_tenant, dict)
    assert one_tenant["calls"] == calls // 20


async def assert_totals(ground: Ground, job: Job) -> None:
    row = await ground.pool.fetchrow(
        """SELECT count(*) AS calls, sum(cost_before_usd) AS before, sum(cost_usd) AS after,
           count(DISTINCT call_id) AS different FROM ledger.repriced_calls WHERE job_id = $1""",
        job.job_id,
    )
    assert row is not None
    assert (row["calls"], row["different"], row["before"], row["after"]) == (
        job.calls, job.calls, job.cost_before_usd, job.cost_after_usd,
    )  # fmt: skip


async def test_jobs_are_listed_removed_and_those_that_are_not_there_named(ground: Ground, cli: Cli) -> None:
    job = await create_job(ground.pool, WHOLE)
    await run(ground, job, chunk=100_000)
    listed = (await cli("reprice", "list", "--json")).json()
    assert isinstance(listed, list)
    assert listed[0]["job_id"] == job.job_id
    assert datetime.fromisoformat(listed[0]["finished_at"]) > NOW
    assert (await cli("reprice", "remove", str(job.job_id))).code == 0
    left = await ground.pool.fetchval("SELECT count(*) FROM ledger.repriced_calls WHERE job_id = $1", job.job_id)
    assert left == 0
    for command in (("report", str(job.job_id)), ("remove", str(job.job_id)), ("--resume", str(job.job_id))):
        ran = await cli("reprice", *command)
        assert (ran.code, ran.stdout) == (2, "")
        assert f"there is no job {job.job_id}" in ran.stderr
    ran = await cli("reprice", "--version", "book/99")
    assert (ran.code, ran.stdout) == (2, "")
    assert "no version 'book/99'" in ran.stderr
