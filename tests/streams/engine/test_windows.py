"""One-second windows on a real broker and database: every call in one window, once, at its exact cost."""

from collections import defaultdict
from decimal import Decimal

from observatory.adapters.postgres.streams import count_states, fold_rows
from tests.streams.engine.ground import StreamGround
from tests.streams.ledger.calls import Body, call


async def test_each_call_is_in_one_window_however_often_it_comes(ground: StreamGround) -> None:
    calls = [call() for _ in range(300)]
    again = [*calls[:50], *({**body, "revision": 2, "cost_usd": "7"} for body in calls[50:80])]
    async with ground.workers():
        await ground.produce([*calls, *again])
        await ground.until_streamed()
    assert await cells(ground) == by_hand(calls)
    compared = await ground.compared()
    assert compared["windows"].ok
    assert compared["windows"].equal == compared["windows"].states > 0
    assert compared["recent_calls"].equal == 300
    assert await count_states(ground.pool, "recent_calls") == 300
    rows = await fold_rows(ground.pool, [("recent_calls", "streams.recent_calls")])
    assert [(row.fold, row.records) for row in rows] == [("recent_calls", 380)]


async def cells(ground: StreamGround) -> dict[tuple[str, str, str], tuple[int, int, Decimal]]:
    rows = await ground.pool.fetch(
        """SELECT tenant_id, provider, model, sum(calls)::bigint AS calls, sum(output_tokens)::bigint AS tokens,
           sum(cost_usd) AS cost FROM streams.window_cells GROUP BY 1, 2, 3"""
    )
    return {(r["tenant_id"], r["provider"], r["model"]): (r["calls"], r["tokens"], r["cost"]) for r in rows}


def by_hand(calls: list[Body]) -> dict[tuple[str, str, str], tuple[int, int, Decimal]]:
    sums: dict[tuple[str, str, str], tuple[int, int, Decimal]] = defaultdict(lambda: (0, 0, Decimal(0)))
    for body in calls:
        name = (str(body["tenant_id"]), str(body["provider"]), str(body["response_model"]))
        count, tokens, cost = sums[name]
        sums[name] = (count + 1, tokens + 400, cost + Decimal(str(body["cost_usd"])))
    return dict(sums)
