"""Adjustments are applied once, beside facts and rollups and never in them; bad ones go to the dead letters."""

import asyncio
import signal
from datetime import date
from decimal import Decimal

import pytest

from schemas.adjustments import CostAdjusted
from schemas.envelope import adjustment_id
from tests.streams.ledger.calls import Body, adjusted, call, expected_sums
from tests.streams.ledger.ground import Ground

CE_TYPE = CostAdjusted.ce_type.encode()


async def stored(ground: Ground) -> list[tuple[object, ...]]:
    rows = await ground.pool.fetch(
        "SELECT adjustment_id::text, amount_usd, day, booked_month, counts_on FROM ledger.adjustments ORDER BY 1"
    )
    return [tuple(row) for row in rows]


async def test_an_adjustment_is_a_row_of_its_own_and_part_of_no_fact_or_rollup(ground: Ground) -> None:
    calls, one, other = [call() for _ in range(20)], adjusted(), adjusted(day="2026-11-03", amount_usd="12")
    async with ground.ledger():
        await ground.produce(calls[:10])
        await ground.produce([one, other], ce_type=CE_TYPE)
        await ground.produce(calls[10:])
        await ground.until_applied()
    first_of_month, third = date(2026, 11, 1), date(2026, 11, 3)
    assert await stored(ground) == sorted([
        (one["adjustment_id"], Decimal("-0.00012345"), date(2026, 10, 3), first_of_month, first_of_month),
        (other["adjustment_id"], Decimal(12), third, first_of_month, third),
    ])  # fmt: skip
    assert await ground.facts() == await ground.rollups() == expected_sums(calls)


async def test_an_adjustment_sent_again_in_whatever_partition_counts_once(ground: Ground) -> None:
    bodies = [adjusted() for _ in range(30)]
    async with ground.ledger():
        await ground.produce([*bodies, *bodies[:10]], ce_type=CE_TYPE)
        await ground.produce(bodies, partition=5, ce_type=CE_TYPE)
        await ground.until_applied()
    assert len(await stored(ground)) == 30


async def test_the_ledger_killed_in_the_middle_applies_each_adjustment_once(ground: Ground) -> None:
    bodies, calls = [adjusted() for _ in range(600)], [call() for _ in range(600)]
    process = ground.ledger_process()
    for start in range(0, 600, 50):
        await ground.produce(bodies[start : start + 50], ce_type=CE_TYPE)
        await ground.produce(calls[start : start + 50])
        if start == 300:
            await ground.until(lambda: some_are_there(ground))
            process.send_signal(signal.SIGKILL)
            await process.ended()
            process = ground.ledger_process()
    await ground.until_applied()
    process.terminate()
    await asyncio.wait_for(process.ended(), 30)
    assert {row[0] for row in await stored(ground)} == {body["adjustment_id"] for body in bodies}
    assert await ground.facts() == await ground.rollups() == expected_sums(calls)


async def some_are_there(ground: Ground) -> bool:
    return bool(await stored(ground))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amount_usd": 1.5}, "decimal string"),
        ({"amount_usd": "1e40"}, "amount_usd"),
        ({"booked_month": "2026-11-02"}, "first day of a month"),
        ({"booked_month": "2026-09-01"}, "before the month of the day"),
        ({"day": "0001-01-01"}, "outside the years"),
        ({"tenant_id": None}, "tenant_id"),
        ({"reason": "a\nb"}, "reason"),
    ],
)
async def test_a_bad_adjustment_is_a_dead_letter(ground: Ground, changes: Body, reason: str) -> None:
    async with ground.ledger():
        await ground.produce([adjusted(**changes)], ce_type=CE_TYPE)
        await ground.until_applied()
    [letter] = await ground.dead_letters()
    assert reason in dict(letter.headers)["dlq_reason"].decode()
    assert await stored(ground) == []


def test_an_adjustment_is_named_by_all_that_it_is_for() -> None:
    named_by = ("acme", "openai", "gpt-4o", "2026-10-03", "sha256:1", "1")
    others = [(*named_by[:n], "other", *named_by[n + 1 :]) for n in range(len(named_by))]
    assert len({adjustment_id(*each) for each in [named_by, named_by, *others]}) == 1 + len(others)
