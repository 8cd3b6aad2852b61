"""Calls that had no price are booked once they have one: journal, topic, facts and rollups agree."""

from decimal import Decimal

from observatory.adapters.postgres.prices import record
from observatory.cli.replay import run_replay
from observatory.rules.price_rows import PriceRow
from schemas.calls import Usage
from tests.observatory.cli.conftest import Cli
from tests.observatory.cli.world import World

USAGE = Usage(uncached_input_tokens=1_000, cache_read_tokens=500, output_tokens=200)
PRICE = PriceRow(provider="openai", model="our-new-model", input_usd_mtok=Decimal(3), output_usd_mtok=Decimal(7))
# 1,500 x 3/1,000,000 + 200 x 7/1,000,000: what has no price of its own is charged as plain input
COST = Decimal("0.0059")


async def apply(world: World) -> None:
    async with world.ground.ledger():
        await world.ground.until_applied()


async def sums(world: World) -> tuple[int, Decimal]:
    row = await world.ground.pool.fetchrow(
        "SELECT sum(unpriced_calls)::bigint AS unpriced, sum(cost_usd) AS usd FROM ledger.rollup_1m"
    )
    assert row is not None
    return row["unpriced"], row["usd"]


async def test_the_cost_that_became_known_is_a_new_revision_everywhere(world: World, cli: Cli) -> None:
    calls = [await world.unpriced("our-new-model", USAGE) for _ in range(3)]
    other = await world.unpriced("still-unknown", USAGE)
    gone = await world.unpriced("our-new-model", USAGE)
    priced = await world.make()
    await apply(world)
    before = await world.attempt(priced)
    cost = before["cost_usd"]
    assert isinstance(cost, Decimal)
    assert await sums(world) == (5, cost)
    await world.ground.pool.execute("DELETE FROM journal.attempts WHERE call_id = $1", gone.call_id)

    version = await record(world.ground.pool, "set", [PRICE])
    dry = (await cli("reprice", "book", "--dry-run", "--json")).answer()
    assert (dry["booked"], Decimal(str(dry["cost_usd"]))) == (3, 3 * COST)
    assert (await world.attempt(calls[0]))["revision"] == 1

    ran = await cli("reprice", "book", "--json")
    assert ran.code == 1
    found = ran.answer()
    assert Decimal(str(found.pop("cost_usd"))) == 3 * COST
    assert found == {
        "unpriced": 5, "booked": 3, "still_unpriced": {"still-unknown-2026-11-01": 1}, "not_applied": 0,
        "under_way": 0, "not_in_journal": 1, "not_in_journal_shown": [str(gone.call_id)],
    }  # fmt: skip
    for call in calls:
        row = await world.attempt(call)
        assert (row["cost_usd"], row["cost_state"], row["status"]) == (COST, "settled", "ok")
        assert (row["revision"], row["published_revision"], row["open"]) == (2, 2, False)
    assert (await world.attempt(other))["revision"] == 1
    assert await world.attempt(priced) == before

    again = (await cli("reprice", "book", "--json")).answer()
    assert (again["booked"], again["not_applied"]) == (0, 3)
    await apply(world)
    facts = await world.ground.pool.fetch(
        "SELECT revision, cost_usd, price_version FROM ledger.calls WHERE call_id = ANY ($1::uuid[])",
        [call.call_id for call in calls],
    )
    assert {tuple(fact) for fact in facts} == {(2, COST, version.name)}
    assert len(facts) == 3
    assert await sums(world) == (2, cost + 3 * COST)
    assert (await run_replay(world.ground.settings, show=10)).ok
    assert (await cli("reprice", "book", "--json")).answer()["unpriced"] == 2


async def test_only_what_is_asked_for_is_booked(world: World, cli: Cli) -> None:
    await record(world.ground.pool, "set", [PRICE])
    call = await world.unpriced("our-new-model", USAGE)
    await apply(world)
    for options in (("--tenant", "another"), ("--model", "another"), ("--until", "1h")):
        ran = await cli("reprice", "book", "--json", *options)
        assert (ran.code, ran.answer()["booked"]) == (0, 0)
    assert (await world.attempt(call))["revision"] == 1
    assert (await cli("reprice", "book", "--model", "our-new-model-2026-11-01", "--json")).answer()["booked"] == 1


async def test_a_call_that_its_worker_changes_meanwhile_is_left_as_it_is(world: World, cli: Cli) -> None:
    call = await world.unpriced("our-new-model", USAGE)
    await apply(world)
    await world.ground.pool.execute("UPDATE journal.attempts SET status = 'started' WHERE call_id = $1", call.call_id)
    ran = await cli("reprice", "book", "--since", "10m", "--json")
    found = ran.answer()
    assert (ran.code, found["booked"], found["under_way"]) == (1, 0, 1)
    assert (await world.attempt(call))["cost_usd"] is None
