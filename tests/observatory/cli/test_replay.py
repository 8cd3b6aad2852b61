"""A replay makes the ledger again from the topic and finds every row that is not what the topic says."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from observatory.cli.problems import Problem
from observatory.cli.replay import Replay, run_replay
from schemas.adjustments import CostAdjusted
from tests.observatory.cli.conftest import CHECKOUT, Cli
from tests.stack import LiveStack
from tests.streams.ledger.calls import Body, adjusted, call
from tests.streams.ledger.ground import Ground

AWKWARD = 'a \\ and "Zürich"'
CONTROLS = f"a\ttab, a\nline, {AWKWARD}\\t"


def revised(body: Body, **changes: object) -> Body:
    return {**body, "revision": int(str(body["revision"])) + 1, **changes}


@pytest.fixture(scope="module")
async def calls(ground: Ground) -> list[Body]:
    """A ledger that has seen revisions, repeats in other partitions, reordering and bad records."""
    first = [call() for _ in range(300)]
    first += [
        call(user_id=AWKWARD, tenant_id="Über " + AWKWARD, tags={"where": CONTROLS}, error_type=CONTROLS)
        for _ in range(5)
    ]
    first += [call(cost_usd=None), call(status="not_sent", cost_usd="0"), call(usage=None, latency=None)]
    unpriced_then_priced = revised(first[-3], cost_usd="0.10")
    second = [revised(body, response_model="another", cost_usd="0.0000000001") for body in first[:100]]
    third = [revised(body, tenant_id="moved", status="error") for body in second[:50]]
    history = [*first, *second, *third, unpriced_then_priced]
    shuffled = random.Random(3).sample(history, len(history))
    async with ground.ledger():
        for start in range(0, len(shuffled), 90):
            await ground.produce(shuffled[start : start + 90], partition=start // 90 % 8)
            await ground.produce([b"not JSON"], partition=start // 90 % 8)
        await ground.produce([*first[:40], *third[:10]])
        await ground.until_applied()
    return first


async def found_by(ground: Ground) -> Replay:
    return await run_replay(ground.settings, show=1000)


def kinds(replay: Replay, table: str) -> dict[str, int]:
    return next(compared.differences for compared in replay.tables if compared.table == table)


def columns_of(replay: Replay, call_id: object) -> set[str]:
    shown = (difference for compared in replay.tables for difference in compared.shown)
    return {
        column for difference in shown if difference.name.get("call_id") == call_id for column in difference.columns
    }


async def databases(ground: Ground) -> set[str]:
    return {row[0] for row in await ground.pool.fetch("SELECT datname FROM pg_database")}


async def test_the_ledger_is_what_the_topic_says_whatever_the_order_of_batches(
    ground: Ground, calls: list[Body], cli: Cli
) -> None:
    before, offsets = await databases(ground), await ground.pool.fetch("SELECT * FROM ledger.sink_offsets")
    ran = await cli("replay", "--verify", "--json")
    found = ran.answer()
    assert (ran.code, found["ok"], found["complete_topic"], found["not_applied"]) == (0, True, True, 0)
    tables = found["tables"]
    assert isinstance(tables, dict)
    assert tables["calls"]["rows"] == tables["calls"]["replayed_rows"] == len(calls)
    assert tables["rollup_1m"]["rows"] > 0
    assert found["dead_letters"] == len(await ground.dead_letters()) > 0
    assert await databases(ground) == before
    assert await ground.pool.fetch("SELECT * FROM ledger.sink_offsets") == offsets


@pytest.mark.parametrize(
    ("tamper", "column"),
    [
        ("UPDATE ledger.calls SET cost_usd = cost_usd + 1e-24 WHERE call_id = $1", "cost_usd"),
        ("UPDATE ledger.calls SET cost_usd = NULL WHERE call_id = $1", "cost_usd"),
        ("UPDATE ledger.calls SET tags = '{}' WHERE call_id = $1", "tags"),
        ("UPDATE ledger.calls SET user_id = user_id || '\t' WHERE call_id = $1", "user_id"),
        ("UPDATE ledger.calls SET ttft_ms = ttft_ms + 0.0001 WHERE call_id = $1", "ttft_ms"),
        ("UPDATE ledger.calls SET revision = revision + 1 WHERE call_id = $1", "revision"),
    ],
)
async def test_a_fact_that_was_changed_is_named_with_its_columns(
    ground: Ground, calls: list[Body], tamper: str, column: str
) -> None:
    spoiled = calls[len(tamper)]
    kept = await ground.pool.fetchrow("SELECT c FROM ledger.calls AS c WHERE call_id = $1", spoiled["call_id"])
    assert kept is not None
    await ground.pool.execute(tamper, spoiled["call_id"])
    found = await found_by(ground)
    await restore(ground, spoiled)
    assert (found.ok, kinds(found, "calls"), kinds(found, "rollup_1m")) == (False, {"differs": 1}, {})
    assert columns_of(found, spoiled["call_id"]) == {column}


async def restore(ground: Ground, spoiled: Body) -> None:
    await ground.pool.execute("DELETE FROM ledger.calls WHERE call_id = $1", spoiled["call_id"])
    await ground.pool.execute("INSERT INTO ledger.calls SELECT * FROM kept WHERE call_id = $1", spoiled["call_id"])


@pytest.fixture(autouse=True)
async def kept(ground: Ground, calls: list[Body]) -> AsyncIterator[None]:
    await ground.pool.execute("CREATE TABLE kept AS SELECT * FROM ledger.calls")
    yield
    await ground.pool.execute("DROP TABLE kept")


async def test_a_fact_that_is_gone_and_one_that_no_record_states_are_found(ground: Ground, calls: list[Body]) -> None:
    gone, unknown = calls[3], call()
    await ground.pool.execute("DELETE FROM ledger.calls WHERE call_id = $1", gone["call_id"])
    await ground.pool.execute(
        "INSERT INTO ledger.calls SELECT (jsonb_populate_record(k, jsonb_build_object('call_id', $1::text))).* "
        "FROM kept AS k LIMIT 1",
        unknown["call_id"],
    )
    found = await found_by(ground)
    await ground.pool.execute("DELETE FROM ledger.calls WHERE call_id = $1", unknown["call_id"])
    await restore(ground, gone)
    assert kinds(found, "calls") == {"missing": 1, "extra": 1}
    assert {(d.kind, d.name["call_id"]) for d in found.tables[0].shown} == {
        ("missing", gone["call_id"]),
        ("extra", unknown["call_id"]),
    }
    assert (await found_by(ground)).ok


async def test_rollups_that_were_changed_removed_or_made_up_are_found(ground: Ground, calls: list[Body]) -> None:
    pool = ground.pool
    await pool.execute("CREATE TABLE rollups AS SELECT * FROM ledger.rollup_1m")
    changes = (
        ("UPDATE ledger.rollup_1m SET cost_usd = cost_usd + 1e-24 WHERE {one}", {"differs": 1}),
        ("UPDATE ledger.rollup_1m SET latency_ms_hist = latency_ms_hist || 2::bigint WHERE {one}", {"differs": 1}),
        ("DELETE FROM ledger.rollup_1m WHERE (bucket, tenant_id, provider, model) = (SELECT bucket, tenant_id, "
         "provider, model FROM rollups WHERE calls > 0 ORDER BY 1, 2, 3, 4 LIMIT 1)", {"missing": 1}),
        ("INSERT INTO ledger.rollup_1m SELECT (jsonb_populate_record(r, '{{\"model\": \"made up\"}}')).* "
         "FROM rollups AS r WHERE calls > 0 LIMIT 1", {"extra": 1}),
    )  # fmt: skip
    one = "(bucket, tenant_id, model, part) = (SELECT bucket, tenant_id, model, part FROM rollups LIMIT 1)"
    for change, expected in changes:
        await pool.execute(change.format(one=one))
        found = await found_by(ground)
        await pool.execute("TRUNCATE ledger.rollup_1m")
        await pool.execute("INSERT INTO ledger.rollup_1m SELECT * FROM rollups")
        assert (kinds(found, "calls"), kinds(found, "rollup_1m")) == ({}, expected)
    assert (await found_by(ground)).ok


async def test_an_adjustment_is_replayed_and_found_when_it_was_changed(ground: Ground, calls: list[Body]) -> None:
    async with ground.ledger():
        await ground.produce([adjusted() for _ in range(3)], ce_type=CostAdjusted.ce_type.encode())
        await ground.until_applied()
    found = await found_by(ground)
    assert found.ok
    assert found.tables[2].rows == (3, 3)
    await ground.pool.execute("UPDATE ledger.adjustments SET amount_usd = amount_usd + 0.0000000001")
    assert kinds(await found_by(ground), "adjustments") == {"differs": 3}
    await ground.pool.execute("UPDATE ledger.adjustments SET amount_usd = amount_usd - 0.0000000001")


async def test_what_the_ledger_has_not_read_yet_is_no_difference(ground: Ground, calls: list[Body]) -> None:
    await ground.produce([call() for _ in range(7)])
    found = await found_by(ground)
    assert (found.ok, found.not_applied) == (True, 7)


async def test_a_scratch_database_that_a_killed_replay_left_is_dropped_by_the_next(ground: Ground) -> None:
    name = f"{await ground.pool.fetchval('SELECT current_database()')}_replay_0123456789ab"
    await ground.pool.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    assert (await found_by(ground)).ok
    assert name not in await databases(ground)


async def test_a_role_that_may_not_make_databases_is_told_so(ground: Ground, stack: LiveStack) -> None:
    superuser = stack.database_url.replace("observatory@", "postgres@")
    connection = await asyncpg.connect(superuser)
    await connection.execute("ALTER ROLE observatory NOCREATEDB")
    try:
        with pytest.raises(Problem, match=r"permission denied to create database.*CREATEDB"):
            await found_by(ground)
    finally:
        await connection.execute("ALTER ROLE observatory CREATEDB")
        await connection.close()


async def test_an_empty_ledger_cannot_be_compared(stack: LiveStack, ground: Ground) -> None:
    other = ground.settings.kafka.model_copy(update={"topic_prefix": "nobody-reads-this."})
    with pytest.raises(Problem, match="not read anything"):
        await run_replay(ground.settings.model_copy(update={"kafka": other}), show=1)


def heeding_interrupts() -> None:
    """A run of the tests in the background of a shell ignores them, and with it all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


async def test_an_interrupted_replay_leaves_no_database_behind(ground: Ground) -> None:
    before = await databases(ground)

    async def made() -> bool:
        return await databases(ground) != before

    async with ground.pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE ledger.calls")  # what cannot be read cannot be compared to the end
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "observatory.cli.main", "replay", "--verify",
            cwd=CHECKOUT,
            env={
                **os.environ,
                "OBSERVATORY_KAFKA": ground.settings.kafka.bootstrap,
                "OBSERVATORY_TOPIC_PREFIX": ground.settings.kafka.topic_prefix,
                "OBSERVATORY_DATABASE_URL": ground.settings.database_url,
            },
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            preexec_fn=heeding_interrupts,
        )  # fmt: skip
        await ground.until(made)
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130
    assert await databases(ground) == before


async def test_of_a_topic_that_lost_its_oldest_records_only_what_came_surely_later_is_compared(ground: Ground) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=ground.settings.kafka.bootstrap)
    await admin.start()
    await admin.delete_records({TopicPartition(ground.topic, 0): RecordsToDelete(before_offset=1)})
    await admin.close()
    found = await found_by(ground)
    assert found.ok
    assert found.rebuilt.complete_from is not None
    assert found.since >= found.rebuilt.complete_from + timedelta(days=1)
    assert datetime.now(UTC) - found.rebuilt.complete_from < timedelta(hours=1)
    assert [compared.rows for compared in found.tables] == [(0, 0)] * 3
