"""What repeats, reordering and growing knowledge do to the ledger: nothing but what the highest revision says."""

import random

from tests.streams.ledger.calls import Body, call, expected_sums
from tests.streams.ledger.ground import Ground


def revised(body: Body, **changes: object) -> Body:
    return {**body, "revision": int(str(body["revision"])) + 1, **changes}


async def assert_booked(ground: Ground, bodies: list[Body]) -> None:
    await ground.until_applied()
    assert await ground.facts() == expected_sums(bodies)
    assert await ground.rollups() == expected_sums(bodies)


async def test_a_call_sent_again_at_a_new_offset_counts_once(ground: Ground) -> None:
    bodies = [call() for _ in range(300)]
    async with ground.ledger():
        await ground.produce([*bodies, *bodies[:50]])
        await assert_booked(ground, bodies)
        new = call()
        await ground.produce([*bodies[100:], new], partition=3)
        await assert_booked(ground, [*bodies, new])


async def test_a_higher_revision_replaces_cost_model_status_and_latency(ground: Ground) -> None:
    first = [call(status="unknown", cost_state="estimated") for _ in range(60)]
    second = [
        revised(body, status="error", cost_usd="0.0000000001", cost_state="settled", response_model="another",
                latency={"total_ms": 5000.0})
        for body in first
    ]  # fmt: skip
    async with ground.ledger():
        await ground.produce(first)
        await assert_booked(ground, first)
        await ground.produce(second)
        await assert_booked(ground, second)
    slowest = await ground.pool.fetchrow(
        """SELECT ledger.hist_count(ledger.hist_sum(latency_ms_hist)) AS calls,
           ledger.hist_quantile(ledger.hist_sum(latency_ms_hist), 0.01) AS least_ms,
           ledger.hist_count(ledger.hist_sum(ttft_ms_hist)) AS first_tokens,
           sum(estimated_calls) AS estimated, sum(estimated_cost_usd) AS estimated_usd FROM ledger.rollup_1m"""
    )
    assert slowest is not None
    assert slowest["calls"] == 60
    assert abs(slowest["least_ms"] / 5000 - 1) < 0.011
    assert (slowest["first_tokens"], slowest["estimated"], slowest["estimated_usd"]) == (0, 0, 0)


async def test_a_price_that_becomes_known_or_unknown_moves_the_unpriced_calls(ground: Ground) -> None:
    unpriced, priced = call(cost_usd=None), call()
    now_priced = revised(unpriced, cost_usd="1.25")
    now_unpriced = {name: value for name, value in revised(priced).items() if name != "cost_usd"}
    async with ground.ledger():
        await ground.produce([unpriced, priced])
        await assert_booked(ground, [unpriced, priced])
        await ground.produce([now_priced, now_unpriced])
        await assert_booked(ground, [now_priced, now_unpriced])


async def test_a_lower_revision_that_comes_late_is_ignored(ground: Ground) -> None:
    first = [call() for _ in range(40)]
    third = [revised(revised(body), cost_usd="7") for body in first]
    async with ground.ledger():
        await ground.produce(third)
        await assert_booked(ground, third)
        await ground.produce([*first, *(revised(body, cost_usd="3") for body in first)])
        await assert_booked(ground, third)


async def test_revisions_in_any_order_and_partition_end_in_the_highest(ground: Ground) -> None:
    first = [call() for _ in range(50)]
    second = [revised(body, cost_usd="2") for body in first]
    history = [*first, *second, *(revised(body, provider="another") for body in second)]
    shuffled = random.Random(1).sample(history * 2, len(history) * 2)
    async with ground.ledger():
        for start in range(0, len(shuffled), 60):
            await ground.produce(shuffled[start : start + 60], partition=start // 60 % 8)
        await assert_booked(ground, history)


async def test_a_call_that_was_never_sent_keeps_its_fact_and_counts_in_no_sum(ground: Ground) -> None:
    unknown = call(status="unknown", cost_state="estimated")
    async with ground.ledger():
        await ground.produce([unknown, call(status="not_sent", cost_usd="0")])
        await ground.produce([revised(unknown, status="not_sent", cost_usd="0", cost_state="reconciled")])
        await ground.until_applied()
    row = await ground.pool.fetchrow(
        "SELECT sum(calls) AS calls, sum(cost_usd) AS usd, sum(not_sent_calls) AS not_sent FROM ledger.rollup_1m"
    )
    assert row is not None
    assert (row["calls"], row["usd"], row["not_sent"]) == (0, 0, 2)
    assert await ground.pool.fetchval("SELECT count(*) FROM ledger.calls WHERE status = 'not_sent'") == 2
