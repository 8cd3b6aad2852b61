"""Verify finds every way in which the four legs can differ. Calls are served and billed by a real simulator."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from observatory.adapters.postgres.budgets import Budgets
from observatory.adapters.postgres.rolling import roll
from observatory.adapters.verification import Proof
from observatory.cli.verify import run_proof
from observatory.rules.budgets import Budget
from tests.observatory.cli.world import TENANT, Call, World
from tests.simulator import Simulator
from tests.streams.ledger.ground import Ground

CALLS = 40
OTHER = UUID("00000000-0000-4000-8000-000000000001")


@pytest.fixture(scope="module")
async def calls(ground: Ground, simulator: Simulator) -> list[Call]:
    """Calls that all legs agree on, in the ledger; each test spoils one of its own."""
    world = World(ground, simulator)
    made = [await world.make() for _ in range(CALLS)]
    async with ground.ledger():
        await ground.until_applied()
    assert (await proof_of(world)).ok
    return made


async def proof_of(world: World) -> Proof:
    providers = world.ground.settings.providers.model_copy(update={"simulator_url": world.simulator.url})
    config = world.ground.settings.model_copy(update={"providers": providers})
    return await run_proof(config, since=None, topics=False, show=1000)


def kinds_of(proof: Proof, call_id: object) -> set[object]:
    return {row["kind"] for row in proof.shown if row["call_id"] == call_id}


@pytest.mark.parametrize(
    ("tamper", "kind"),
    [
        ("UPDATE journal.attempts SET cost_usd = cost_usd + 1e-12 WHERE call_id = $1", "cost_differs_from_bill"),
        ("UPDATE journal.attempts SET cost_usd = NULL WHERE call_id = $1", "unpriced"),
        (
            """UPDATE journal.attempts SET record = replace(record, '"output_tokens":20', '"output_tokens":21')
                WHERE call_id = $1""",
            "tokens_differ_from_bill",
        ),
        ("DELETE FROM journal.attempts WHERE call_id = $1", "billed_without_attempt"),
        ("DELETE FROM ledger.calls WHERE call_id = $1", "attempt_without_fact"),
        ("UPDATE journal.attempts SET revision = 2 WHERE call_id = $1", "not_published"),
        ("UPDATE ledger.calls SET revision = 2 WHERE call_id = $1", "fact_has_another_revision"),
        ("UPDATE ledger.calls SET status = 'error' WHERE call_id = $1", "fact_has_another_status"),
        ("UPDATE ledger.calls SET cost_usd = 1 WHERE call_id = $1", "fact_has_another_cost"),
        ("UPDATE ledger.calls SET output_tokens = 1 WHERE call_id = $1", "fact_has_other_tokens"),
        ("UPDATE journal.attempts SET status = 'unknown', cost_state = 'estimated' WHERE call_id = $1",
         "needs_reconciliation"),
    ],
)  # fmt: skip
async def test_each_difference_is_found_and_named(world: World, calls: list[Call], tamper: str, kind: str) -> None:
    spoiled = calls.pop()
    await world.ground.pool.execute(tamper, spoiled.call_id)
    proof = await proof_of(world)
    assert not proof.ok
    assert kind in kinds_of(proof, spoiled.call_id)
    assert kinds_of(proof, calls[0].call_id) == set()


async def test_a_call_that_the_provider_never_billed_is_found(world: World, calls: list[Call]) -> None:
    spoiled = calls.pop()
    await world.ground.pool.execute(
        "UPDATE journal.attempts SET call_id = $1 WHERE call_id = $2", OTHER, spoiled.call_id
    )
    proof = await proof_of(world)
    assert kinds_of(proof, OTHER) == {"not_billed", "attempt_without_fact"}
    assert "billed_without_attempt" in kinds_of(proof, spoiled.call_id)
    assert "fact_without_attempt" in kinds_of(proof, spoiled.call_id)


async def test_a_call_that_was_served_twice_is_found(world: World, calls: list[Call]) -> None:
    spoiled = calls.pop()
    await world.serve(spoiled)
    assert "billed_twice" in kinds_of(await proof_of(world), spoiled.call_id)


async def test_in_flight_attempts_and_requests_without_outcome_are_not_ok(world: World, calls: list[Call]) -> None:
    spoiled = calls.pop()
    pool = world.ground.pool
    await pool.execute("UPDATE journal.attempts SET status = 'started' WHERE call_id = $1", spoiled.call_id)
    await pool.execute("UPDATE journal.requests SET state = 'claimed' WHERE request_id = $1", spoiled.request_id)
    proof = await proof_of(world)
    assert proof.counts["in_flight"] == 1
    assert {"1 in_flight", "1 without_outcome"} <= set(proof.problems)


async def test_a_rollup_that_is_not_the_sum_of_its_facts_is_found(world: World, calls: list[Call]) -> None:
    before = (await proof_of(world)).rollups_shown
    await world.ground.pool.execute("UPDATE ledger.rollup_1m SET cost_usd = cost_usd + 0.000000000000000001")
    after = (await proof_of(world)).rollups_shown
    assert after
    assert after != before


@pytest.mark.parametrize(
    "table",
    [
        "rollup_1h", "rollup_1d", "rollup_1h_by", "rollup_1d_by", "rollup_1h_totals", "rollup_1d_totals",
        "rollup_1d_users",
    ],
)  # fmt: skip
async def test_sums_of_hours_and_days_that_are_not_those_of_what_they_sum_are_found(
    world: World, calls: list[Call], table: str
) -> None:
    pool = world.ground.pool
    tomorrow = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    await pool.execute("DELETE FROM ledger.rolled")
    while await roll(pool, tomorrow):
        pass
    assert (await proof_of(world)).rolled_differences == 0
    await pool.execute(f"UPDATE ledger.{table} SET cost_usd = cost_usd + 0.000000000000000001")
    proof = await proof_of(world)
    assert {row["sums"] for row in proof.rolled_shown} == {table}
    assert any("sums of hours and days differ" in problem for problem in proof.problems)


@pytest.mark.parametrize(
    ("tamper", "kind"),
    [
        ("UPDATE journal.budget_periods SET spent_usd = spent_usd + 1e-12", "budget_is_not_its_reservations"),
        ("UPDATE journal.budget_periods SET reserved_usd = 1e-12", "budget_is_not_its_reservations"),
        ("UPDATE journal.reservations SET charged_usd = NULL", "reservation_is_not_its_attempt"),
        ("UPDATE journal.attempts SET cost_usd = cost_usd + 1e-12 WHERE reserved", "reservation_is_not_its_attempt"),
        ("DELETE FROM journal.reservations", "reservation_is_not_its_attempt"),
    ],
)
async def test_a_budget_that_is_not_what_its_attempts_say_is_found(
    world: World, calls: list[Call], tamper: str, kind: str
) -> None:
    pool = world.ground.pool
    await pool.execute("DELETE FROM journal.budget_periods")
    await pool.execute("DELETE FROM journal.reservations")
    await pool.execute("DELETE FROM journal.budgets")
    await pool.execute("UPDATE journal.attempts SET reserved = false")
    # Opened while the call was under way, then charged its cost.
    call = calls.pop().call_id
    await pool.execute("UPDATE journal.attempts SET status = 'started' WHERE call_id = $1", call)
    budget = Budget(
        budget_id="b", tenant_id=TENANT, scope="tenant", limit_usd=Decimal(1), hard=True, period="total"
    )  # fmt: skip
    await Budgets(pool).create(budget)
    await pool.execute("UPDATE journal.attempts SET status = 'ok' WHERE call_id = $1", call)
    await pool.execute(
        "SELECT journal.charge(ARRAY[call_id], ARRAY[cost_usd]) FROM journal.attempts WHERE call_id = $1", call
    )
    assert (await proof_of(world)).budgets_shown == []
    await pool.execute(tamper)
    proof = await proof_of(world)
    assert kind in {row["kind"] for row in proof.budgets_shown}
    assert any("rows of budgets differ" in problem for problem in proof.problems)
