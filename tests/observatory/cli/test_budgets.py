"""`observatory budgets` against a database with facts."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from tests.observatory.cli.conftest import Cli
from tests.streams.ledger.calls import call
from tests.streams.ledger.ground import Ground


def words(line: str) -> list[str]:
    return line.split()


async def test_a_soft_budget_is_what_its_facts_cost(ground: Ground, cli: Cli) -> None:
    async with ground.ledger():
        mine = {"tenant_id": "acme", "user_id": "alice", "started_at": datetime.now(UTC).isoformat()}
        costs = ("0.25", "1.0000000001", "0.3")
        await ground.produce([call(**mine, cost_usd=cost) for cost in costs])
        await ground.produce([call(**(mine | {"user_id": "bob"}), cost_usd="7")])
        await ground.until_applied()
    ran = await cli(
        *words("budgets create alice --tenant acme --scope user --value alice --limit 2 --period total --soft --json")
    )
    made = ran.answer()
    assert (ran.code, made["spent_usd"], made["left_usd"]) == (0, "1.5500000001", "0.4499999999")
    assert Decimal(str(made["burn_usd_per_hour"])) > 0
    listed = (await cli("budgets", "list", "--tenant", "acme", "--json")).json()
    assert isinstance(listed, list)
    assert [(b["budget_id"], b["spent_usd"]) for b in listed] == [("alice", "1.5500000001")]


async def test_a_budget_is_changed_and_closed_and_its_id_is_taken(cli: Cli) -> None:
    assert (await cli(*words("budgets create b1 --limit 10 --period month --time-zone Europe/Berlin"))).code == 0
    again = await cli(*words("budgets create b1 --limit 10"))
    assert (again.code, again.stderr) == (1, "observatory: there is or was a budget b1; choose another id\n")
    assert (await cli(*words("budgets set b1 --limit 12.5"))).code == 0
    shown = (await cli("budgets", "show", "b1", "--json")).answer()
    assert (shown["limit_usd"], shown["hard"], shown["time_zone"]) == ("12.5", True, "Europe/Berlin")
    assert (await cli("budgets", "close", "b1")).code == 0
    closed = await cli("budgets", "close", "b1")
    assert closed.code == 1
    assert closed.stderr.startswith("observatory: there is no open budget 'b1'")
    assert "b1" not in (await cli("budgets", "list")).stdout
    assert "b1" in (await cli("budgets", "list", "--closed")).stdout


async def test_what_cannot_be_a_budget_is_told_in_one_line(cli: Cli) -> None:
    wrong = {
        "--limit lots": "'lots' is no number",
        "--limit -1": "0 on, not -1",
        "--limit NaN": "finite number",
        "--limit 1 --time-zone Mars/Olympus": "no time zone is called 'Mars/Olympus'",
        "--limit 1 --scope user": "a budget of a user needs a scope value",
        "--limit 1 --scope tag --value x": "a tag is key=value",
        "--limit 1 --thresholds 0": "thresholds are parts of the limit above 0",
    }
    for arguments, reason in wrong.items():
        ran = await cli("budgets", "create", "bad", *arguments.split())
        assert ran.code == 2, arguments
        assert reason in ran.stderr
        assert len(ran.stderr.splitlines()) == 1
