"""Verify and costs through the command line, on calls that a real simulator served and billed."""

from datetime import UTC, datetime
from decimal import Decimal

from observatory.adapters.postgres.costs import watermark
from schemas.calls import Usage
from tests.observatory.cli.conftest import Cli
from tests.observatory.cli.world import World, cost_of


async def test_ok_is_one_json_object_with_all_legs_equal_to_the_last_decimal(world: World, cli: Cli) -> None:
    # The character NUL is nothing that a client should send, and no reason for a paid call to be missing.
    calls = [await world.make(directive=f"in={100 + n} out={20 + n} cached={n}", tags={"a": "\0"}) for n in range(3)]
    async with world.ground.ledger():
        await world.ground.until_applied()
    for call in calls:
        await world.answer(call)
        await world.answer(call)
    ran = await cli("verify", "--json", "--topics", "--wait", "20s")
    found = ran.answer()
    assert (ran.code, found["ok"], found["problems"]) == (0, True, [])
    expected = sum(
        (cost_of(Usage(uncached_input_tokens=100, cache_read_tokens=n, output_tokens=20 + n)) for n in range(3)),
        Decimal(),
    )
    legs = found["legs"]
    assert isinstance(legs, dict)
    assert {name: (leg["calls"], Decimal(leg["cost_usd"])) for name, leg in legs.items()} == dict.fromkeys(
        ("bill", "attempts", "facts", "rollups"), (3, expected)
    )
    assert found["topic"] == {"heard": 3, "missing": 0, "several": 0, "repeats": 3, "unknown": 0}
    await world.answer(calls[0], "another outcome")
    ran = await cli("verify", "--topics", "--json")
    assert ran.code == 1
    assert ran.answer()["problems"] == ["1 several"]


async def complete(world: World) -> bool:
    return await watermark(world.ground.pool, world.ground.topic) is not None


async def test_costs_read_back_what_was_booked_and_say_up_to_when(world: World, cli: Cli) -> None:
    async with world.ground.ledger():
        await world.ground.until(lambda: complete(world))
    for by in ("model", "conversation"):
        ran = await cli("costs", "--by", by, "--json")
        found = ran.answer()
        total = found["total"]
        assert isinstance(total, dict)
        assert total["calls"] == await world.ground.pool.fetchval("SELECT count(*) FROM ledger.calls")
        stored = await world.ground.pool.fetchval("SELECT sum(cost_usd) FROM ledger.calls")
        assert Decimal(total["cost_usd"]) == stored
        assert datetime.fromisoformat(str(found["complete_until"])) <= datetime.now(UTC)
