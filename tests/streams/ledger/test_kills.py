"""Whatever is killed, each call is booked once: totals against sums made by hand, to the last digit."""

import asyncio
import random
import signal

from prometheus_client import REGISTRY

from infra.native import stack as native
from tests.stack import LiveStack
from tests.streams.ledger.calls import Body, call, expected_sums
from tests.streams.ledger.ground import Ground

KILLS = 4


def revisions(count: int, seed: int) -> list[Body]:
    """Calls, a third of them with a second revision, a tenth of all sent twice; in any order."""
    bodies = [call() for _ in range(count)]
    later = [{**body, "revision": 2, "cost_usd": "0.125", "provider": "sim-azure"} for body in bodies[::3]]
    return random.Random(seed).sample([*bodies, *later, *bodies[::10]], count + len(later) + len(bodies[::10]))


async def applied(ground: Ground) -> int:
    return int(await ground.pool.fetchval("SELECT coalesce(sum(next_offset), 0) FROM ledger.sink_offsets"))


def fenced_batches() -> float:
    return REGISTRY.get_sample_value("observatory_ledger_fenced_batches_total") or 0


async def assert_booked(ground: Ground, bodies: list[Body]) -> None:
    await ground.until_applied()
    assert await ground.facts() == expected_sums(bodies)
    assert await ground.rollups() == expected_sums(bodies)


async def test_the_ledger_killed_again_and_again_under_load_books_each_call_once(ground: Ground) -> None:
    bodies = revisions(9_000, seed=1)
    step = len(bodies) // KILLS
    for number in range(KILLS):
        process = ground.ledger_process()
        before = await applied(ground)
        await ground.produce(bodies[number * step : (number + 1) * step])

        async def some_more(before: int = before, number: int = number) -> bool:
            return await applied(ground) > before + number * 50

        await ground.until(some_more)
        process.send_signal(signal.SIGKILL)
        await process.ended()
    await ground.produce(bodies[KILLS * step :])
    async with ground.ledger():
        await assert_booked(ground, bodies)


async def test_two_ledgers_that_share_and_fight_for_partitions_book_each_call_once(ground: Ground) -> None:
    bodies, fenced = revisions(4_000, seed=2), fenced_batches()
    async with ground.ledger(), ground.ledger(group="another"):
        for start in range(0, len(bodies), 500):
            await ground.produce(bodies[start : start + 500])
        await assert_booked(ground, bodies)
    assert fenced_batches() > fenced


async def test_the_database_killed_under_load_loses_and_doubles_nothing(ground: Ground, stack: LiveStack) -> None:
    bodies = revisions(6_000, seed=3)
    async with ground.ledger():
        producing = asyncio.create_task(ground.produce(bodies))
        await ground.until(lambda: _moved(ground))
        native.kill_program(stack.spec, native.POSTGRES)
        await producing
        await asyncio.to_thread(native.wait_for_services, stack.spec)
        await assert_booked(ground, bodies)


async def _moved(ground: Ground) -> bool:
    return await applied(ground) > 0


async def test_the_broker_killed_under_load_loses_and_doubles_nothing(ground: Ground, stack: LiveStack) -> None:
    bodies = revisions(3_000, seed=4)
    async with ground.ledger():
        await ground.produce(bodies[:1_000])
        await ground.until(lambda: _moved(ground))
        native.kill_program(stack.spec, native.KAFKA)
        await asyncio.to_thread(native.wait_for_services, stack.spec)
        await ground.produce(bodies[1_000:])
        await assert_booked(ground, bodies)
