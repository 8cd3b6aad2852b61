"""Sums of waste by day: equal to what the facts tell whatever comes late, and never read while they are not."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import get_args

import pytest

from observatory.adapters.postgres.pool import Pool, open_pool
from observatory.adapters.postgres.rolling import roll
from observatory.adapters.postgres.waste import WasteGrouping, WasteQuery, read_waste, read_waste_of_tenants
from observatory.adapters.verification import ROLLED
from tests.streams.ledger.calls import Body, call, new_id
from tests.streams.ledger.test_rolling import DAY, HOUR, TODAY
from tests.streams.ledger.writing import write_calls

FIRST = TODAY - 4 * DAY
"""A day of which everything is known: it is over, and the day after it."""

PERIODS = [(None, None), (FIRST, FIRST + DAY), (FIRST - 5 * HOUR, FIRST + 40 * HOUR), (FIRST + HOUR, None)]


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """Empty tables."""
    made = await open_pool(database_url, size=4, application="test")
    await made.execute("TRUNCATE ledger.calls, ledger.rollup_1m, ledger.sink_offsets, ledger.rolled, ledger.waste_1d")
    yield made
    await made.close()


def attempts(*of: tuple[float, Body], **common: object) -> list[Body]:
    """The attempts of one request, each so many hours after the beginning of the first day."""
    request_id = new_id()
    return [
        call(**{
            "request_id": request_id, "attempt": number + 1, "started_at": (FIRST + hours * HOUR).isoformat(),
            "first_token_at": None, "ended_at": None, "tenant_id": "acme", "response_model": "m", **common, **changes,
        })
        for number, (hours, changes) in enumerate(of)
    ]  # fmt: skip


FAILED: Body = {"status": "error", "error_type": "timeout", "cost_usd": "0.01", "cost_state": "estimated"}
REQUESTS = [
    *attempts((2, FAILED), (2.1, {"cost_usd": "5"})),
    *attempts((3, FAILED | {"cost_usd": None}), (3.1, {"provider": "another"}), tenant_id="other"),
    # Across midnight: a failure, and an answer that nobody got.
    *attempts((23.99, FAILED), (24.01, {"cost_usd": "5"})),
    *attempts((23.9, {"cost_usd": "0.2"}), (24.2, {"cost_usd": "5"})),
    *attempts((4, {"cost_usd": "0.4"}), (27.5, {"cost_usd": "5"})),
    # Followed by one of the next day but one, too late to have anything to do with it.
    *attempts((20, {"cost_usd": "0.8"}), (44.5, {"cost_usd": "5"})),
    *attempts((30, {"status": "cancelled", "cost_usd": "1.6"})),
    *attempts((50, FAILED), (50.1, FAILED), (50.2, {"cost_usd": "5"}), tenant_id="other"),
    *attempts((-3, {"cost_usd": "3.2"}), (1, {"cost_usd": "5"})),
    *attempts((21, {"cost_usd": "6.4"})),
]
ROLLED_DAYS = {FIRST + number * DAY for number in (-1, 0, 1, 2)}


async def wasted(pool: Pool) -> list[object]:
    """All that is asked about waste, over every period."""
    found: list[object] = []
    for since, until in PERIODS:
        found += [await read_waste(pool, WasteQuery(by=by, since=since, until=until)) for by in get_args(WasteGrouping)]
        found.append(await read_waste(pool, WasteQuery(since=since, until=until, tenant="other", model="m")))
        found.append(await read_waste_of_tenants(pool, WasteQuery(since=since, until=until)))
    return found


async def roll_all(pool: Pool) -> None:
    while await roll(pool, TODAY):
        pass


async def held(pool: Pool) -> set[datetime]:
    rows = await pool.fetch("SELECT bucket FROM ledger.rolled WHERE sums = 'waste_1d' AND until > bucket")
    after = await pool.fetch("SELECT bucket FROM ledger.rolled WHERE sums = 'waste_1d_after' AND until > bucket")
    return {row["bucket"] for row in rows} & {row["bucket"] - DAY for row in after}


async def from_facts(pool: Pool) -> list[object]:
    await pool.execute("DELETE FROM ledger.rolled")
    return await wasted(pool)


async def spoiled(pool: Pool) -> bool:
    since = TODAY - 30 * DAY
    return any([await pool.fetch(statement, since, 1000) for statement in ROLLED])


async def test_sums_of_waste_are_what_the_facts_tell_and_follow_what_comes_late(pool: Pool) -> None:
    await write_calls(pool, "test", REQUESTS)
    before = await wasted(pool)
    groups, total = await read_waste(pool, WasteQuery(since=FIRST, until=FIRST + DAY))
    assert (total.calls, str(total.cost_usd), {row.key for row in groups}) == (
        5, "0.62", {"timeout", "answer_discarded"},
    )  # fmt: skip
    await roll_all(pool)
    assert await held(pool) == ROLLED_DAYS
    assert await pool.fetchval("SELECT sum(calls) FROM ledger.waste_1d WHERE bucket = $1", FIRST) == 5
    assert await wasted(pool) == before
    assert not await spoiled(pool)

    # What goes on in the day after takes the sums of a day back, and so does what changes in it.
    again = {"call_id": new_id(), "attempt": 2, "started_at": (FIRST + 26 * HOUR).isoformat()}
    await write_calls(pool, "test", [{**REQUESTS[-1], **again}])
    assert await held(pool) == {FIRST - DAY, FIRST + 2 * DAY}
    later = await wasted(pool)
    await roll_all(pool)
    assert await held(pool) == ROLLED_DAYS
    assert await wasted(pool) == later == await from_facts(pool)
    assert later != before


async def test_the_proof_finds_a_sum_of_waste_that_was_spoiled(pool: Pool) -> None:
    await write_calls(pool, "test", REQUESTS)
    await roll_all(pool)
    assert not await spoiled(pool)
    for spoil in (
        "UPDATE ledger.waste_1d SET retried_cost_usd = retried_cost_usd + 1e-18 WHERE cause = 'timeout'",
        "DELETE FROM ledger.waste_1d WHERE cause = 'answer_discarded'",
    ):
        await pool.execute(spoil)
        assert await spoiled(pool)
        await pool.execute("DELETE FROM ledger.rolled WHERE sums = 'waste_1d_after'")
        await roll_all(pool)
        assert not await spoiled(pool)


async def test_waste_is_forgotten_with_its_facts(pool: Pool) -> None:
    await write_calls(pool, "test", REQUESTS)
    await roll_all(pool)
    await pool.execute("SELECT drop_chunks('ledger.calls', older_than => $1::timestamptz)", FIRST + DAY)
    await roll_all(pool)
    assert await held(pool) == {FIRST + DAY, FIRST + 2 * DAY}
    assert await pool.fetchval("SELECT min(bucket) FROM ledger.waste_1d") == FIRST + DAY
