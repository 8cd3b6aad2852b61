"""Adjustments booked while the ledger is away or killed: the ledger ends where the last export says."""

import asyncio
import signal
from decimal import Decimal
from pathlib import Path

from tests.observatory.cli.conftest import Cli
from tests.observatory.cli.exported import ASKED, at, on, write_json
from tests.streams.ledger.ground import Ground

MODELS = [f"claude-{name}" for name in ("haiku-4-5-20251001", "sonnet-4-5-20250929", "opus-4-1-20250805")]
DAYS = range(1, 28)


def cost_report(cents: str) -> dict[str, object]:
    """Anthropic's, with the same amount for every model and day."""
    row = {"currency": "USD", "amount": cents, "cost_type": "tokens", "token_type": "output_tokens"}
    return {
        "data": [
            {
                "starting_at": at(day, 0).isoformat(),
                "ending_at": at(day + 1, 0).isoformat(),
                "results": [{**row, "model": model, "description": f"{model} usage"} for model in MODELS],
            }
            for day in DAYS
        ],
        "has_more": False,
    }


async def book(cli: Cli, file: Path, cents: str) -> list[object]:
    export = write_json(file, cost_report(cents))
    ran = await cli("reconcile", "--export", export, "--provider", "anthropic", "--month", ASKED, "--book", "--json")
    booked = ran.answer()["booked"]
    assert isinstance(booked, list)
    return booked


async def applied(ground: Ground) -> int:
    return int(await ground.pool.fetchval("SELECT count(*) FROM ledger.adjustments"))


async def some_are_applied(ground: Ground) -> bool:
    return await applied(ground) > 0


async def test_the_ledger_away_and_killed_ends_where_the_last_export_says(
    ground: Ground, cli: Cli, tmp_path: Path
) -> None:
    file, cells = tmp_path / "cost_report.json", len(MODELS) * len(DAYS)
    assert len(await book(cli, file, "123.45")) == cells
    assert await book(cli, file, "123.45") == []
    process = ground.ledger_process()
    await ground.until(lambda: some_are_applied(ground))
    process.send_signal(signal.SIGKILL)
    await process.ended()
    assert len(await book(cli, file, "100.000001")) == cells
    process = ground.ledger_process()
    await ground.until_applied()
    assert len(await book(cli, file, "150")) == cells
    await ground.until_applied()
    process.terminate()
    await asyncio.wait_for(process.ended(), 30)
    rows = await ground.pool.fetch("SELECT model, day, sum(amount_usd) FROM ledger.adjustments GROUP BY 1, 2")
    assert {(row[0], row[1]): row[2] for row in rows} == {
        (model, on(day)): Decimal("1.5") for model in MODELS for day in DAYS
    }
    assert await applied(ground) == 3 * cells
    proof = (await cli("verify", "--json")).answer()["adjustments"]
    assert isinstance(proof, dict)
    assert (proof["decided"], proof["applied"], proof["differing"]) == (3 * cells, 3 * cells, 0)
    assert Decimal(str(proof["applied_usd"])) == Decimal("1.5") * cells
