"""Sums of hours and days: equal to the facts whatever comes late, and never read while they are not."""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from observatory.adapters.postgres import ledger, rolling
from observatory.adapters.postgres.pool import Connection, Pool, open_pool
from observatory.adapters.postgres.rolling import roll
from observatory.adapters.verification import ROLLED
from observatory.rules.sketch import index_of
from streams.ledger.decode import read_fact
from streams.ledger.rolling import over_at
from streams.ledger.rollups import deltas
from tests.streams.ledger.calls import Body, call, encode, record
from tests.streams.ledger.writing import write_calls

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
YESTERDAY = TODAY - DAY
OVER = YESTERDAY + 30 * HOUR
"""Six hours into today: a day is whole and one has begun."""

KEYS = "tenant_id, provider, model, operation"
TOTALS = {"models": "'', provider, model, operation", "tenants": "tenant_id, '', '', ''", "all": "'', '', '', ''"}
CELL = "tenant_id, provider, model, operation, status"
MODEL = "coalesce(response_model, request_model)"
KINDS_OF_PARTS = {
    kind: ", ".join(
        f"{column if name in kept else quote} AS {name}"
        for name, column, quote in (
            ("tenant_id", "tenant_id", "''"), ("provider", "provider", "''"), ("model", MODEL, "''"),
            ("operation", "operation", "''"), ("status", "status", "''"),
        )
    )
    for kind, kept in {
        "all": (), "statuses": ("status",), "tenants": ("tenant_id",), "models": ("provider", "model", "operation"),
        "cells": ("tenant_id", "provider", "model", "operation", "status"),
    }.items()
}  # fmt: skip
PARTS = """(0, queue_ms), (1, policy_ms), (2, ttft_ms), (3, greatest(total_ms - ttft_ms, 0)),
           (4, CASE WHEN ttft_ms IS NULL THEN total_ms END)"""
COLUMNS = ("calls", "errors", "unpriced_calls", "estimated_calls", "not_sent_calls", "output_tokens", "cost_usd")
SUMS = ", ".join(f"sum({name})::numeric AS {name}" for name in COLUMNS)


def some_calls(count: int, **changes: object) -> list[Body]:
    """Calls spread over yesterday and the first hours of today."""
    step = 30 * HOUR / count
    kinds: list[Body] = [
        {},
        {"status": "error"},
        {"cost_usd": None},
        {"status": "not_sent"},
        {"cost_state": "estimated"},
    ]
    return [
        call(**{
            "started_at": (YESTERDAY + n * step).isoformat(), "first_token_at": None, "ended_at": None,
            "user_id": None if n % 7 == 0 else f"user-{n % 5}", **kinds[n % 5], **changes,
        })
        for n in range(count)
    ]  # fmt: skip


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """Empty tables."""
    made = await open_pool(database_url, size=4, application="test")
    await made.execute(
        """TRUNCATE ledger.calls, ledger.rollup_1m, ledger.sink_offsets, ledger.rolled, ledger.rollup_1h,
           ledger.rollup_1d, ledger.rollup_1d_by, ledger.rollup_1h_totals, ledger.rollup_1d_totals,
           ledger.rollup_1h_by, ledger.rollup_1h_parts, ledger.rollup_1d_parts, ledger.rollup_1d_users,
           ledger.rollup_1w_users, ledger.waste_1d"""
    )
    yield made
    await made.close()


async def write(pool: Pool, bodies: Sequence[Body]) -> None:
    await write_calls(pool, "test", bodies)


async def roll_all(pool: Pool, over: datetime = OVER) -> None:
    while await roll(pool, over):
        pass


async def rows(pool: Pool, query: str) -> set[tuple[object, ...]]:
    return {tuple(row) for row in await pool.fetch(query)}


async def assert_sums_are_facts(pool: Pool) -> None:
    for table, step in (("rollup_1h", "hour"), ("rollup_1d", "day")):
        held = f"SELECT bucket FROM ledger.rolled WHERE sums = '{table}' AND until > bucket"
        assert await rows(
            pool,
            # A cell whose only call was revised into another one stays, emptied.
            f"""SELECT bucket, {KEYS}, {SUMS} FROM ledger.{table} WHERE bucket IN ({held}) GROUP BY bucket, {KEYS}
                    HAVING sum(calls) <> 0 OR sum(not_sent_calls) <> 0""",
        ) == await rows(
            pool,
            f"""SELECT date_trunc('{step}', started_at, 'UTC'), {KEYS}, {SUMS} FROM ledger.counted_calls
                 WHERE date_trunc('{step}', started_at, 'UTC') IN ({held}) GROUP BY 1, {KEYS}""",
        )
    for table, step in (("rollup_1h", "hour"), ("rollup_1d", "day")):
        held = f"SELECT bucket FROM ledger.rolled WHERE sums = '{table}_totals' AND until > bucket"
        for kind, names in TOTALS.items():
            assert await rows(
                pool,
                f"""SELECT bucket, {KEYS}, {SUMS} FROM ledger.{table}_totals
                     WHERE bucket IN ({held}) AND kind = '{kind}' GROUP BY bucket, {KEYS}
                    HAVING sum(calls) <> 0 OR sum(not_sent_calls) <> 0""",
            ) == await rows(
                pool,
                f"""SELECT date_trunc('{step}', started_at, 'UTC'), {names}, {SUMS} FROM ledger.counted_calls
                     WHERE date_trunc('{step}', started_at, 'UTC') IN ({held}) GROUP BY 1, 2, 3, 4, 5""",
            )
    for table in ("rollup_1h_by", "rollup_1d_by"):
        for dimension, column in (("user", "user_id"), ("api_key", "api_key_id"), ("status", "status")):
            assert await rows(
                pool,
                f"""SELECT bucket, value, {KEYS}, {SUMS} FROM ledger.{table} JOIN ledger.rolled USING (bucket)
                     WHERE dimension = '{dimension}' AND sums = '{table}' AND until > bucket
                     GROUP BY bucket, value, {KEYS}""",
            ) == await rows(
                pool,
                f"""SELECT bucket, {column}, {KEYS}, {SUMS}
                      FROM ledger.counted_calls
                      JOIN ledger.rolled ON started_at >= bucket AND started_at < until AND sums = '{table}'
                     GROUP BY bucket, {column}, {KEYS}""",
            )

    await assert_users_are_facts(pool)
    await assert_parts_are_facts(pool)


async def assert_users_are_facts(pool: Pool) -> None:
    for table in ("rollup_1d_users", "rollup_1w_users"):
        assert await rows(
            pool,
            f"""SELECT bucket, tenant_id, value, {SUMS} FROM ledger.{table} JOIN ledger.rolled USING (bucket)
                 WHERE sums = '{table}' AND until > bucket GROUP BY bucket, tenant_id, value""",
        ) == await rows(
            pool,
            f"""SELECT bucket, tenant_id, user_id, {SUMS} FROM ledger.counted_calls
                  JOIN ledger.rolled ON started_at >= bucket AND started_at < until AND sums = '{table}'
                 GROUP BY bucket, tenant_id, user_id""",
        )


async def assert_parts_are_facts(pool: Pool) -> None:
    for table, step in (("rollup_1h_parts", "hour"), ("rollup_1d_parts", "day")):
        held = f"SELECT bucket FROM ledger.rolled WHERE sums = '{table}' AND until > bucket"
        for kind, names in KINDS_OF_PARTS.items():
            assert await rows(
                pool,
                f"""SELECT bucket, {CELL}, part, round(ms::numeric, 6), ms_hist::text FROM ledger.{table}
                     WHERE bucket IN ({held}) AND kind = '{kind}'""",
            ) == await rows(
                pool,
                f"""SELECT bucket, {CELL}, part, round(sum(ms)::numeric, 6), array_agg((i << 40) + n ORDER BY i)::text
                      FROM (SELECT date_trunc('{step}', started_at, 'UTC') AS bucket, {names}, part, count(*) AS n,
                                   ledger.hist_index(value)::bigint AS i, sum(value) AS ms
                              FROM ledger.calls, LATERAL (VALUES {PARTS}) AS p (part, value)
                             WHERE status <> 'not_sent' AND value IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6, part, i) AS b
                     WHERE bucket IN ({held}) GROUP BY bucket, {CELL}, part""",
            )


async def held(pool: Pool, sums: str) -> set[datetime]:
    query = "SELECT bucket FROM ledger.rolled WHERE sums = $1 AND until > bucket"
    return {row["bucket"] for row in await pool.fetch(query, sums)}


async def test_sums_are_the_facts_and_follow_what_comes_late(pool: Pool) -> None:
    bodies = some_calls(200)
    await write(pool, bodies)
    await roll_all(pool)
    assert await held(pool, "rollup_1h") == {YESTERDAY + n * HOUR for n in range(30)}
    assert await held(pool, "rollup_1d") == {YESTERDAY}
    assert await held(pool, "rollup_1d_by") == {YESTERDAY, TODAY}
    assert await held(pool, "rollup_1h_totals") == await held(pool, "rollup_1h_by") == await held(pool, "rollup_1h")
    assert await held(pool, "rollup_1d_totals") == await held(pool, "rollup_1d_parts") == {YESTERDAY}
    assert await held(pool, "rollup_1h_parts") == await held(pool, "rollup_1h")
    assert await held(pool, "rollup_1d_users") == {YESTERDAY, TODAY}
    await assert_sums_are_facts(pool)
    assert await pool.fetchval("SELECT sum(calls) FROM ledger.rollup_1h") == 160

    revised = {**bodies[40], "revision": 2, "cost_usd": "7.5", "response_model": "another", "user_id": "late"}
    late = some_calls(1, user_id="late")[0]
    await write(pool, [revised, late])
    hour = datetime.fromisoformat(str(bodies[40]["started_at"])).replace(minute=0, second=0, microsecond=0)
    assert await held(pool, "rollup_1h") == {YESTERDAY + n * HOUR for n in range(1, 30)} - {hour}
    assert await held(pool, "rollup_1d") == set()
    assert await held(pool, "rollup_1d_by") == await held(pool, "rollup_1d_users") == {TODAY}
    assert await held(pool, "rollup_1h_parts") == await held(pool, "rollup_1h")
    assert await held(pool, "rollup_1h_totals") == await held(pool, "rollup_1h_by") == await held(pool, "rollup_1h")
    assert await held(pool, "rollup_1d_totals") == await held(pool, "rollup_1d_parts") == set()
    await assert_sums_are_facts(pool)
    await roll_all(pool)
    assert await held(pool, "rollup_1d") == await held(pool, "rollup_1d_totals") == {YESTERDAY}
    await assert_sums_are_facts(pool)


async def test_a_day_grows_with_its_hours(pool: Pool) -> None:
    await write(pool, some_calls(120))
    for hours in (25, 26, 30):
        await roll_all(pool, YESTERDAY + hours * HOUR)
        await assert_sums_are_facts(pool)
        found = await pool.fetch(
            "SELECT until FROM ledger.rolled WHERE bucket = $1 AND sums IN ('rollup_1d_by', 'rollup_1d_users')", TODAY
        )
        assert [row["until"] for row in found] == [YESTERDAY + hours * HOUR] * 2
    await write(pool, [call(started_at=(YESTERDAY + 30.5 * HOUR).isoformat())])
    assert TODAY in await held(pool, "rollup_1d_by"), "a minute beyond what is summed changes nothing of it"


async def test_whoever_writes_while_it_is_summed_is_waited_for_or_undoes_the_sum(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = deltas([read_fact(record(encode(some_calls(1, cost_usd="1")[0])), 400)])
    over = YESTERDAY + HOUR
    await ledger.add_to_rollups(pool, one)
    async with pool.acquire() as connection:
        writing = connection.transaction()
        await writing.start()
        await ledger.add_to_rollups(connection, one)
        turn = asyncio.create_task(roll(pool, over))
        await announced(pool)
        assert not turn.done()
        await writing.commit()
    assert await turn == 1
    assert await pool.fetchval("SELECT sum(cost_usd) FROM ledger.rollup_1h") == Decimal(2)

    await pool.execute("DELETE FROM ledger.rolled")
    ended = rolling._others_have_ended

    async def then_one_more_comes(connection: Connection) -> bool:
        monkeypatch.undo()
        assert await ended(connection)
        await ledger.add_to_rollups(pool, one)
        return True

    monkeypatch.setattr(rolling, "_others_have_ended", then_one_more_comes)
    assert await roll(pool, over) == 0
    assert await held(pool, "rollup_1h") == set()
    await roll_all(pool, over)
    assert await pool.fetchval("SELECT sum(cost_usd) FROM ledger.rollup_1h") == Decimal(3)


async def test_weeks_of_users_are_made_of_days_and_taken_back_with_any_of_them(pool: Pool) -> None:
    monday = TODAY - (7 + TODAY.weekday()) * DAY
    bodies = [
        call(started_at=(monday + n * DAY / 2).isoformat(), user_id=f"user-{n % 3}", first_token_at=None, ended_at=None)
        for n in range(-2, 14)
    ]
    await write(pool, bodies)
    await roll_all(pool, monday + 7 * DAY)
    assert await held(pool, "rollup_1w_users") == {monday}
    assert await pool.fetchval("SELECT sum(calls) FROM ledger.rollup_1w_users") == 14
    await assert_users_are_facts(pool)

    await write(pool, [{**bodies[9], "revision": 2, "cost_usd": "7.5", "user_id": "late"}])
    assert await held(pool, "rollup_1w_users") == set()
    await roll_all(pool, monday + 7 * DAY)
    assert await held(pool, "rollup_1w_users") == {monday}
    await assert_users_are_facts(pool)
    assert await pool.fetchval("SELECT cost_usd FROM ledger.rollup_1w_users WHERE value = 'late'") == Decimal("7.5")


@pytest.mark.parametrize(
    ("table", "spoil"),
    [
        ("rollup_1w_users", "cost_usd = cost_usd + 1e-18"),
        ("rollup_1h_parts", "ms = ms + 0.001"),
        ("rollup_1d_parts", "ms_hist[1] = ms_hist[1] + 1"),
        ("rollup_1d_parts", "ms_hist[1] = ms_hist[1] + (1::bigint << 40)"),
    ],
)
async def test_the_proof_finds_a_sum_that_was_spoiled(pool: Pool, table: str, spoil: str) -> None:
    monday = TODAY - (7 + TODAY.weekday()) * DAY
    await write(pool, [call(started_at=(monday + n * DAY).isoformat(), ended_at=None) for n in range(7)])
    await roll_all(pool, monday + 8 * DAY)
    assert await spoiled(pool) == set()
    await pool.execute(f"UPDATE ledger.{table} SET {spoil}")
    assert await spoiled(pool) == {table}


async def spoiled(pool: Pool) -> set[str]:
    """Which sums the statements of `verify` find not to be those of the facts."""
    since = TODAY - 30 * DAY
    return {row["sums"] for statement in ROLLED for row in await pool.fetch(statement, since, 1000)}


async def announced(pool: Pool) -> None:
    async with asyncio.timeout(20):
        while not await pool.fetchval("SELECT count(*) FROM ledger.rolled WHERE extending_to > until"):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_users_are_forgotten_with_their_facts(pool: Pool) -> None:
    await write(pool, some_calls(60))
    await roll_all(pool)
    await pool.execute("SELECT drop_chunks('ledger.calls', older_than => $1::timestamptz)", TODAY)
    await roll_all(pool)
    assert await held(pool, "rollup_1d_by") == await held(pool, "rollup_1d_users") == {TODAY}
    assert await held(pool, "rollup_1d") == {YESTERDAY}
    assert await held(pool, "rollup_1d_parts") == set()
    for table in ("rollup_1d_by", "rollup_1d_users", "rollup_1h_parts"):
        assert await pool.fetchval(f"SELECT min(bucket) FROM ledger.{table}") == TODAY


async def test_one_rolls_at_a_time(pool: Pool) -> None:
    await write(pool, some_calls(3))
    async with pool.acquire() as connection:
        assert await connection.fetchval(rolling._SQL["take_over"])
        assert await roll(pool, OVER) == 0
        await connection.fetchval(rolling._SQL["hand_over"])
    assert await roll(pool, OVER) > 0


def test_an_hour_is_over_some_minutes_after_its_end() -> None:
    assert over_at(TODAY + 4 * HOUR + timedelta(minutes=4)) == TODAY + 3 * HOUR
    assert over_at(TODAY + 4 * HOUR + timedelta(minutes=5)) == TODAY + 4 * HOUR


async def test_durations_fall_into_the_same_buckets_in_sql(pool: Pool) -> None:
    durations = [0.0, 1e-7, 0.1, 1.0, 511.999, 512.0, 512.001, 1234.5, 2.0**39, 2.0**41]
    durations += [math.exp2(n / 32 + 1e-7) for n in range(-600, 1200, 7)]
    found = await pool.fetch("SELECT ledger.hist_index(ms) AS i FROM unnest($1::float8[]) AS ms", durations)
    assert [row["i"] for row in found] == [index_of(ms) for ms in durations]
