"""A provider's export against the ledger: calls settled by response id, drift by bucket, adjustments booked once."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from observatory.adapters.postgres.adjustments import lock_booking
from observatory.rules.drift import next_month
from schemas.calls import Usage
from tests.databases import new_database
from tests.observatory.cli.conftest import CHECKOUT, Cli, Ran
from tests.observatory.cli.exported import (
    ASKED,
    DATED,
    DAY_S,
    MONTH,
    Attempt,
    Known,
    at,
    attempt,
    billed,
    bucket,
    on,
    page,
    row_by_call,
    usd,
    used,
    write_csv,
    write_json,
    write_lines,
)
from tests.stack import LiveStack
from tests.streams.ledger.ground import Ground, new_ground

USED = Usage(uncached_input_tokens=1000, cache_read_tokens=200, output_tokens=50)
OPENAI = ("--provider", "openai", "--month", ASKED, "--json")


WAITING = """FROM pg_stat_activity WHERE application_name = 'observatory-cli' AND wait_event_type = 'Lock'
  AND datname = current_database()"""


async def waiting(ground: Ground, commands: int) -> bool:
    """Whether so many commands wait for a lock in the database."""
    return bool(await ground.pool.fetchval(f"SELECT count(*) = $1 {WAITING}", commands))


@pytest.fixture(scope="module")
async def ground(stack: LiveStack) -> AsyncIterator[Ground]:
    """A journal that keeps what began in the whole of the last month, however late in this one it is."""
    async with new_ground(stack.kafka, await new_database(stack)) as own:
        yield replace(own, settings=own.settings.model_copy(update={"journal_retention_days": 400}))


@pytest.fixture(autouse=True)
async def empty(ground: Ground) -> AsyncIterator[None]:
    """Each test begins without calls, adjustments and closed months."""
    await ground.pool.execute(
        """TRUNCATE ledger.calls, ledger.rollup_1m, ledger.adjustments, journal.attempts, journal.adjustments,
           journal.closed_months"""
    )
    async with ground.ledger():
        yield


async def reconciled(cli: Cli, *arguments: str) -> dict[str, object]:
    ran = await cli("reconcile", *arguments, *OPENAI)
    assert ran.code == 0, ran.stderr
    return ran.answer()


def drift_of(found: dict[str, object]) -> list[dict[str, object]]:
    rows = found["drift"]
    assert isinstance(rows, list)
    return rows


async def stored(ground: Ground) -> list[tuple[object, ...]]:
    await ground.until_applied()
    rows = await ground.pool.fetch(
        """SELECT model, day, booked_month, amount_usd, tenant_id FROM ledger.adjustments
           ORDER BY adjusted_at, model, day"""
    )
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
async def test_unknown_and_estimated_attempts_are_settled_by_the_ids_that_rows_have(
    ground: Ground, cli: Cli, tmp_path: Path, suffix: str
) -> None:
    cut = await attempt(ground, day=3, known="estimated", usage=USED)
    died = await attempt(ground, day=3, known="unknown", usage=USED)
    settled = await attempt(ground, day=4, usage=USED)
    elsewhere = await attempt(ground, day=4, known="unknown", usage=USED)
    stranger = Attempt(died.call_id, "chatcmpl-of-others", USED)
    rows = [
        row_by_call(cut, 3, call_id=""),
        row_by_call(died, 3, call_id=str(died.call_id)),
        row_by_call(settled, 4, call_id=""),
        row_by_call(stranger, 4, call_id=""),
    ]
    write = write_lines if suffix == "jsonl" else write_csv
    found = await reconciled(cli, "--export", write(tmp_path / f"calls.{suffix}", rows))
    assert found["settled"] == {
        "unsettled": 2, "settled": {"billed": 2}, "cost_usd": str(usd(USED) * 2), "undecided": 0, "overtaken": 0,
        "doubled": [],
    }  # fmt: skip
    assert found["matches"] == {"rows": 4, "matched": 3, "differing": 0, "ours_alone": 1}
    for made, status in ((cut, "error"), (died, "ok")):
        row = await ground.pool.fetchrow("SELECT * FROM journal.attempts WHERE call_id = $1", made.call_id)
        assert row is not None
        assert (row["status"], row["cost_usd"], row["cost_state"]) == (status, usd(USED), "reconciled")
        assert (row["revision"], row["published_revision"], row["open"]) == (2, 2, False)
        fact = await ground.pool.fetchrow("SELECT * FROM ledger.calls WHERE call_id = $1", made.call_id)
        assert fact is not None
        assert (fact["cost_usd"], fact["cost_state"], fact["response_model"]) == (usd(USED), "reconciled", DATED)
        assert fact["provider_response_id"] == made.response_id
    left = "SELECT status, revision FROM journal.attempts WHERE call_id = $1"
    assert tuple(await ground.pool.fetchrow(left, elsewhere.call_id) or ()) == ("unknown", 1)
    again = await reconciled(cli, "--export", str(tmp_path / f"calls.{suffix}"))
    assert again["settled"] == {**EMPTY_RESULT}


EMPTY_RESULT = {"unsettled": 0, "settled": {}, "cost_usd": "0", "undecided": 0, "overtaken": 0, "doubled": []}


async def test_a_call_that_the_provider_served_twice_is_left_to_a_person(
    ground: Ground, cli: Cli, tmp_path: Path
) -> None:
    died = await attempt(ground, day=3, known="unknown", usage=USED)
    rows = [row_by_call(died, 3, call_id=str(died.call_id), response_id=f"chatcmpl-{n}") for n in range(2)]
    ran = await cli("reconcile", "--export", write_lines(tmp_path / "calls.jsonl", rows), *OPENAI)
    settled = ran.answer()["settled"]
    assert isinstance(settled, dict)
    assert (ran.code, settled["doubled"]) == (1, [str(died.call_id)])


async def test_a_row_that_names_two_calls_settles_neither(ground: Ground, cli: Cli, tmp_path: Path) -> None:
    died = await attempt(ground, day=3, known="unknown", usage=USED)
    cut = await attempt(ground, day=3, known="estimated", usage=USED)
    export = write_lines(tmp_path / "calls.jsonl", [row_by_call(cut, 3, call_id=str(died.call_id))])
    ran = await cli("reconcile", "--export", export, *OPENAI)
    settled = ran.answer()["settled"]
    assert isinstance(settled, dict)
    assert (ran.code, settled["settled"]) == (1, {})
    assert sorted(settled["doubled"]) == sorted([str(died.call_id), str(cut.call_id)])


async def test_rows_that_name_one_response_refuse_the_export(ground: Ground, cli: Cli, tmp_path: Path) -> None:
    died = await attempt(ground, day=3, known="unknown", usage=USED)
    rows = [row_by_call(died, 3, call_id=str(died.call_id))] * 3
    export = write_lines(tmp_path / "calls.jsonl", rows)
    ran = await cli("reconcile", "--export", export, *OPENAI)
    assert ran.code == 2
    assert [line.strip() for line in ran.stderr.splitlines()[1:]] == [
        f"{export}: line {number}: {died.response_id} stands in {export}: line 1 already" for number in (2, 3)
    ]
    assert await ground.pool.fetchval("SELECT max(revision) FROM journal.attempts") == 1


async def test_a_day_that_is_not_over_is_compared_and_not_adjusted(ground: Ground, cli: Cli, tmp_path: Path) -> None:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    begin = int(midnight.timestamp())
    today = {"start_time": begin, "end_time": begin + DAY_S, "results": [billed("1.5")]}
    export = write_json(tmp_path / "costs.json", page(today))
    asked = ("--export", export, "--book", "--provider", "openai", "--month", f"{midnight:%Y-%m}")
    ran = await cli("reconcile", *asked)
    assert "not over (in UTC) were not adjusted" in ran.stdout
    assert "1.5" in ran.stdout
    assert await stored(ground) == []


async def test_drift_is_told_by_model_and_day_in_calls_tokens_and_money(
    ground: Ground, cli: Cli, tmp_path: Path
) -> None:
    for day in (3, 3, 4):
        await attempt(ground, day=day, usage=USED)
    await attempt(ground, day=9, usage=USED)
    usage = write_lines(tmp_path / "usage.jsonl", [
        page(bucket(3, used(3, Usage(uncached_input_tokens=3000, cache_read_tokens=600, output_tokens=150)))),
        page(bucket(4), bucket(5, used(1, USED, model="gpt-4o-2024-08-06"))),
    ])  # fmt: skip
    costs = write_json(tmp_path / "costs.json", page(
        bucket(3, billed("0.000500000001"), billed("0.1", f"{DATED}, output"), billed("0.01", "web search tool calls")),
        bucket(4),
        bucket(5, billed("0.25", "priority | gpt-4o-2024-08-06, output, long context")),
    ))  # fmt: skip
    found = await reconciled(cli, "--export", usage, "--export", costs)
    rows = {(row["day"], row["model"]): row for row in drift_of(found)}
    ours = usd(USED)
    assert set(rows) == {
        (f"{on(3)}", DATED), (f"{on(3)}", "web search tool calls"), (f"{on(4)}", DATED),
        (f"{on(5)}", "gpt-4o-2024-08-06"),
    }  # fmt: skip
    third = rows[f"{on(3)}", DATED]
    assert third["ours"]["calls"] == 2  # type: ignore[index]
    assert third["ours"]["cost_usd"] == str(ours * 2)  # type: ignore[index]
    assert third["theirs"]["cost_usd"] == "0.100500000001"  # type: ignore[index]
    difference = third["difference"]
    assert isinstance(difference, dict)
    assert difference["calls"] == 1
    assert {name: count for name, count in difference["tokens"].items() if count} == {
        "uncached_input_tokens": 1000, "cache_read_tokens": 200, "output_tokens": 50
    }  # fmt: skip
    assert Decimal(difference["cost_usd"]) == Decimal("0.100500000001") - ours * 2
    missing = rows[f"{on(4)}", DATED]["difference"]
    assert isinstance(missing, dict)
    assert (missing["calls"], Decimal(missing["cost_usd"])) == (-1, -ours)
    assert rows[f"{on(3)}", "web search tool calls"]["difference"]["cost_usd"] == "0.01"  # type: ignore[index]
    assert rows[f"{on(5)}", "gpt-4o-2024-08-06"]["percent"] == "100.0000"
    assert await stored(ground) == []
    shown = (await cli("reconcile", "--export", usage, "--export", costs, *OPENAI[:-1])).stdout
    assert "0.100500000001" in shown


async def test_booking_adjusts_the_difference_and_booking_again_changes_nothing(
    ground: Ground, cli: Cli, tmp_path: Path
) -> None:
    await attempt(ground, day=3, usage=USED)
    export = write_json(tmp_path / "costs.json", page(bucket(3, billed("1.5")), bucket(4, billed("0.25"))))
    asked = ("--export", export, "--book", "--tenant", TENANT)
    planned = await reconciled(cli, *asked, "--dry-run")
    amounts = [Decimal(row["amount_usd"]) for row in planned["booked"]]  # type: ignore[attr-defined]
    assert amounts == [Decimal("1.5") - usd(USED), Decimal("0.25")]
    assert await stored(ground) == []
    first = await reconciled(cli, *asked)
    expected = [
        (DATED, on(3), MONTH, Decimal("1.5") - usd(USED), TENANT),
        (DATED, on(4), MONTH, Decimal("0.25"), TENANT),
    ]
    assert await stored(ground) == expected
    assert [Decimal(str(row["difference"]["cost_usd"])) for row in drift_of(first)] == [0, 0]  # type: ignore[index]
    assert (await reconciled(cli, *asked))["booked"] == []
    both = await asyncio.gather(*(reconciled(cli, *asked) for _ in range(2)))
    assert [found["booked"] for found in both] == [[], []]
    assert await stored(ground) == expected


TENANT = "umbrella"


async def test_of_two_bookings_at_once_the_second_books_what_the_first_left(
    ground: Ground, cli: Cli, tmp_path: Path
) -> None:
    exports = [write_json(tmp_path / f"costs-{n}.json", page(bucket(3, billed(f"1.5{n}")))) for n in range(2)]
    async with ground.pool.acquire() as holder, holder.transaction():
        await lock_booking(holder)
        both = [asyncio.create_task(reconciled(cli, "--export", export, "--book")) for export in exports]
        await ground.until(lambda: waiting(ground, 2))
    await asyncio.gather(*both)
    amounts = sorted(Decimal(str(row[3])) for row in await stored(ground))
    # Whichever was second: it booked the difference to what the first had booked.
    assert amounts in ([Decimal("0.01"), Decimal("1.50")], [Decimal("-0.01"), Decimal("1.51")])


async def test_a_corrected_export_books_the_difference_to_what_was_booked(
    ground: Ground, cli: Cli, tmp_path: Path
) -> None:
    for amount in ("1.5", "1.2", "1.5", "1.5"):
        export = write_json(tmp_path / "costs.json", page(bucket(3, billed(amount))))
        await reconciled(cli, "--export", export, "--book")
    amounts = [row[3] for row in await stored(ground)]
    assert amounts == [Decimal("1.5"), Decimal("-0.3"), Decimal("0.3")]
    gone = write_json(tmp_path / "costs.json", page(bucket(3)))
    await reconciled(cli, "--export", gone, "--book")
    assert sum(Decimal(str(row[3])) for row in await stored(ground)) == 0


async def test_a_closed_month_takes_its_adjustment_in_the_first_open_one_and_keeps_the_day(
    ground: Ground, cli: Cli, tmp_path: Path
) -> None:
    export = write_json(tmp_path / "costs.json", page(bucket(3, billed("1.5"))))
    await reconciled(cli, "--export", export, "--book")
    ran = await cli("months", "close", ASKED, "--by", "mára", "--json")
    assert ran.answer() == {"month": ASKED, "closed_now": True}
    assert (await cli("months", "close", ASKED, "--json")).answer()["closed_now"] is False
    corrected = write_json(tmp_path / "costs.json", page(bucket(3, billed("1.25"))))
    found = await reconciled(cli, "--export", corrected, "--book")
    assert [(row["day"], row["booked_month"]) for row in found["booked"]] == [(f"{on(3)}", f"{next_month(MONTH)}")]  # type: ignore[attr-defined]
    assert await stored(ground) == [
        (DATED, on(3), MONTH, Decimal("1.5"), "default"),
        (DATED, on(3), next_month(MONTH), Decimal("-0.25"), "default"),
    ]
    months = (await cli("months", "list", "--json")).json()
    assert isinstance(months, list)
    assert [(row["month"], row["closed_by"]) for row in months] == [(ASKED, "mára")]
    period = ("--since", at(1, 0).isoformat(), "--until", next_month(MONTH).isoformat(), "--json")
    of_closed = (await cli("costs", *period)).answer()
    assert of_closed["adjustments"] == {"count": 1, "cost_usd": "1.5"}
    assert (await cli("costs", "--since", "all", "--json")).answer()["adjustments"] == {"count": 2, "cost_usd": "1.25"}


async def test_a_month_that_is_not_over_is_not_closed(cli: Cli) -> None:
    ran = await cli("months", "close", f"{next_month(MONTH):%Y-%m}")
    assert (ran.code, "not over" in ran.stderr) == (1, True)


BLOCK = """CREATE FUNCTION journal.wait_for_test() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN new; END $$;
CREATE TRIGGER wait_for_test BEFORE UPDATE ON journal.adjustments FOR EACH ROW
  EXECUTE FUNCTION journal.wait_for_test()"""


END_WAITING = f"SELECT pg_terminate_backend(pid) {WAITING}"
"""The statement of a killed process waits on in the database, and would go through after all."""


async def test_killed_between_publishing_and_marking_it_is_published_again_and_counted_once(
    ground: Ground, cli: Cli, tmp_path: Path
) -> None:
    export = write_json(tmp_path / "costs.json", page(bucket(3, billed("1.5"))))
    await ground.pool.execute(BLOCK)
    try:
        async with ground.pool.acquire() as holder:
            await holder.execute("SELECT pg_advisory_lock(4711)")
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "observatory.cli.main", "reconcile", "--export", export, "--book", *OPENAI,
                cwd=CHECKOUT, env={**os.environ, **environment(ground)}, stdout=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            await ground.until(lambda: is_there(ground))
            process.send_signal(signal.SIGKILL)
            await process.wait()
            await holder.execute(END_WAITING)
            await ground.until(lambda: waiting(ground, 0))
            await holder.execute("SELECT pg_advisory_unlock(4711)")
    finally:
        await ground.pool.execute("DROP FUNCTION journal.wait_for_test CASCADE")
    assert await ground.pool.fetchval("SELECT count(*) FROM journal.adjustments WHERE open") == 1
    ran: Ran = await cli("verify", "--json")
    assert "1 adjustments not published" in str(ran.answer()["problems"])
    found = await reconciled(cli, "--export", export, "--book")
    assert (found["published"], found["booked"]) == (1, [])
    assert await stored(ground) == [(DATED, on(3), MONTH, Decimal("1.5"), "default")]
    assert await ground.pool.fetchval("SELECT count(*) FROM journal.adjustments WHERE open") == 0


def environment(ground: Ground) -> dict[str, str]:
    return {
        "OBSERVATORY_KAFKA": ground.settings.kafka.bootstrap,
        "OBSERVATORY_TOPIC_PREFIX": ground.settings.kafka.topic_prefix,
        "OBSERVATORY_DATABASE_URL": ground.settings.database_url,
    }


async def is_there(ground: Ground) -> bool:
    return bool(await ground.pool.fetchval("SELECT count(*) FROM ledger.adjustments"))


async def test_nothing_is_adjusted_while_a_call_is_under_way(ground: Ground, cli: Cli, tmp_path: Path) -> None:
    made = await attempt(ground, day=3, usage=USED)
    await ground.until_applied()
    await ground.pool.execute("UPDATE journal.attempts SET revision = 2 WHERE call_id = $1", made.call_id)
    export = write_json(tmp_path / "costs.json", page(bucket(3, billed("1.5"))))
    ran = await cli("reconcile", "--export", export, "--book", "--wait", "0s", *OPENAI)
    assert (ran.code, "1 calls of openai" in ran.stderr) == (1, True)
    assert await stored(ground) == []


async def test_usage_without_amounts_is_compared_at_our_prices(ground: Ground, cli: Cli, tmp_path: Path) -> None:
    await attempt(ground, day=3, usage=USED)
    export = write_json(tmp_path / "usage.json", page(bucket(3, used(2, USED), used(1, USED, "a-new-model"))))
    found = await reconciled(cli, "--export", export)
    known, new = sorted(drift_of(found), key=lambda row: str(row["model"]), reverse=True)
    assert found["theirs_usd_is"] == "usage at our prices"
    assert known["theirs"]["cost_usd"] == str(usd(USED))  # type: ignore[index]
    assert Decimal(known["difference"]["cost_usd"]) == 0  # type: ignore[index]
    assert (new["theirs"]["cost_usd"], new["percent"]) == (None, None)  # type: ignore[index]


async def test_costs_show_adjustments_apart_and_verify_finds_what_is_missing(
    ground: Ground, cli: Cli, tmp_path: Path
) -> None:
    await attempt(ground, day=3, usage=USED)
    export = write_json(tmp_path / "costs.json", page(bucket(3, billed("1.5"))))
    await reconciled(cli, "--export", export, "--book")
    await stored(ground)
    found = (await cli("costs", "--since", "all", "--json")).answer()
    total = found["total"]
    assert isinstance(total, dict)
    assert Decimal(total["cost_usd"]) == usd(USED)
    assert found["adjustments"] == {"count": 1, "cost_usd": "1.499805"}
    assert Decimal(str(found["cost_with_adjustments_usd"])) == Decimal("1.5")
    assert "with adjustments" in (await cli("costs", "--since", "all")).stdout
    nobodys = (await cli("costs", "--since", "all", "--tenant", "nobody", "--json")).answer()
    assert nobodys["adjustments"] == {"count": 0, "cost_usd": "0"}
    proof = (await cli("verify", "--json")).answer()["adjustments"]
    assert isinstance(proof, dict)
    assert (proof["decided"], proof["applied"], proof["decided_usd"]) == (1, 1, proof["applied_usd"])
    await ground.pool.execute("UPDATE ledger.adjustments SET amount_usd = amount_usd + 0.01")
    problems = (await cli("verify", "--json")).answer()["problems"]
    assert "1 adjustments differ" in str(problems)
    await ground.pool.execute("DELETE FROM ledger.adjustments")
    assert "1 adjustments not in the ledger" in str((await cli("verify", "--json")).answer()["problems"])


@pytest.mark.parametrize("known", ["settled", "unknown"])
async def test_an_export_that_is_refused_changes_nothing(
    ground: Ground, cli: Cli, tmp_path: Path, known: Known
) -> None:
    made = await attempt(ground, day=3, known=known, usage=USED)
    rows = [row_by_call(made, 3, call_id=str(made.call_id)), row_by_call(made, 3, response_id="x", output_tokens=-1)]
    export = write_lines(tmp_path / "calls.jsonl", rows)
    ran = await cli("reconcile", "--export", export, "--book", *OPENAI)
    assert (ran.code, ran.stdout) == (2, "")
    assert f"{export}: line 2, output_tokens: -1 is no count" in ran.stderr
    assert await ground.pool.fetchval("SELECT max(revision) FROM journal.attempts") == 1
    assert await stored(ground) == []
