"""Reconcile settles what a dead worker left, from the real bill of a real simulator; then verify is ok."""

from decimal import Decimal

import orjson

from schemas.calls import Usage
from tests.observatory.cli.conftest import Cli
from tests.observatory.cli.world import MODEL, World, cost_of


async def test_every_kind_of_unsettled_attempt_is_settled_and_then_all_legs_agree(world: World, cli: Cli) -> None:
    served = await world.make(known="unknown")
    refused = await world.make(known="unknown", directive="in=100 out=20 fault=500")
    never_sent = await world.make(known="unknown", sent=False)
    guessed = await world.make(known="estimated")
    ran = await cli("reconcile", "--margin", "0s", "--json")
    found = ran.answer()
    assert (ran.code, found["settled"]) == (0, {"billed": 2, "unbilled": 1, "not_sent": 1})
    full = cost_of(Usage(uncached_input_tokens=100, output_tokens=20))
    for call, status, cost in (
        (served, "ok", full),
        (refused, "error", Decimal(0)),
        (never_sent, "not_sent", Decimal(0)),
        (guessed, "error", full),
    ):
        row = await world.attempt(call)
        assert (row["status"], row["cost_usd"], row["cost_state"]) == (status, cost, "reconciled")
        assert (row["revision"], row["published_revision"], row["open"]) == (2, 2, False)
    async with world.ground.ledger():
        await world.ground.until_applied()
    assert (await cli("verify")).code == 0


async def test_a_call_taken_for_not_sent_that_turns_up_later_is_settled(world: World, cli: Cli) -> None:
    call = await world.make(known="unknown")
    await world.ground.pool.execute(
        "UPDATE journal.attempts SET status = 'not_sent', cost_state = 'reconciled', cost_usd = 0 WHERE call_id = $1",
        call.call_id,
    )
    found = (await cli("reconcile", "--json")).answer()
    assert found["settled"] == {"billed": 1}
    assert (await world.attempt(call))["status"] == "ok"


async def test_a_dry_run_changes_nothing(world: World, cli: Cli) -> None:
    call = await world.make(known="unknown")
    found = (await cli("reconcile", "--dry-run", "--json")).answer()
    assert found["settled"] == {"billed": 1}
    assert (await world.attempt(call))["status"] == "unknown"
    assert (await cli("reconcile")).code == 0


async def test_what_is_settled_is_priced_by_the_newest_prices(world: World, cli: Cli) -> None:
    made = await cli("prices", "set", "openai", MODEL, "--input", "1.5", "--output", "2", "--from", "always", "--json")
    call = await world.make(known="unknown")
    assert (await cli("reconcile", "--json")).answer()["settled"] == {"billed": 1}
    row = await world.attempt(call)
    assert row["cost_usd"] == Decimal("0.00019")  # 100 * 1.5 + 20 * 2 = 190 dollars for a million
    record = orjson.loads(str(row["record"]))
    assert record["price_version"] == made.answer()["price_version"]
    await cli("prices", "set", "openai", MODEL, "--withdraw", "--from", "always")
