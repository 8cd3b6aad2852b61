"""Two stream workers that are killed again and again while events come: every state equals its fold run once."""

import asyncio
import random
import signal
from decimal import Decimal

from schemas.spans import SpansReceived
from tests.streams.engine.ground import StreamGround
from tests.streams.engine.spans import model_call, publish, received, span
from tests.streams.engine.test_feedback import give, given
from tests.streams.ledger.calls import Body, call

ROUNDS = 6
CALLS = 400
TRACES = 40


async def test_states_equal_their_folds_whatever_is_killed(ground: StreamGround) -> None:
    randomness = random.Random(11)
    calls: list[Body] = []
    traces: list[SpansReceived] = []
    workers = [ground.worker_process(number) for number in (1, 2)]
    try:
        for turn in range(ROUNDS):
            new = [call() for _ in range(CALLS)]
            again = [{**body, "revision": 2} for body in randomness.sample(new, 40)]
            repeats = randomness.sample(calls, 40) if calls else []
            calls += new
            await ground.produce([*new, *again, *repeats])
            await give(ground, [given(body) for body in randomness.sample(calls, 40)])
            new_traces = [trace for number in range(TRACES) for trace in trace_records(turn * TRACES + number + 1)]
            traces += new_traces
            await publish(ground, *new_traces, *randomness.sample(traces, 20))
            await asyncio.sleep(randomness.uniform(0.2, 1.5))  # so that the kill falls at another moment each time
            victim = turn % 2
            workers[victim].send_signal(signal.SIGKILL)
            await workers[victim].ended()
            workers[victim] = ground.worker_process(victim + 1)
        await ground.until_streamed()
        compared = await ground.compared()
    finally:
        for worker in workers:
            worker.terminate()
        await asyncio.gather(*(worker.ended() for worker in workers))
    assert [one.examples for one in compared.values() if not one.ok] == []
    assert compared["recent_calls"].equal == len(calls)
    assert compared["conversations"].equal == len(calls), "each call has a conversation of its own"
    counted = await ground.pool.fetchval("SELECT sum(calls)::bigint FROM streams.window_cells")
    assert counted == len(calls)
    assert compared["traces"].equal == ROUNDS * TRACES
    rows = await ground.pool.fetchrow("SELECT count(*), sum(cost_usd) FROM ledger.spans")
    assert rows is not None
    assert tuple(rows) == (3 * ROUNDS * TRACES, Decimal("0.01") * ROUNDS * TRACES)
    assert await ground.pool.fetchval("SELECT sum(cost_usd) FROM streams.traces") == rows["sum"]


def trace_records(number: int) -> list[SpansReceived]:
    """A trace of three spans in two records."""
    trace_id = f"{number:032x}"
    gateway = received(span(1, took_ms=20), trace_id=trace_id, service="gateway")
    return [gateway, received(span(2, 1), model_call(3, 2, "0.01"), trace_id=trace_id, service="chat")]


async def test_a_database_that_forgets_its_last_commits_is_made_good(ground: StreamGround) -> None:
    """What a crash of the database undoes, states and offsets together, is read from Kafka again."""
    async with ground.workers():
        await ground.produce([call() for _ in range(200)])
        await ground.until_streamed()
        async with ground.pool.acquire() as connection, connection.transaction():
            await connection.execute("DELETE FROM streams.windows; DELETE FROM streams.recent_calls")
            await connection.execute("UPDATE ledger.sink_offsets SET next_offset = 0, last_record_at = NULL")
        await ground.produce([call() for _ in range(200)])
        await ground.until_streamed()
    compared = await ground.compared()
    assert compared["recent_calls"].equal == 400
    assert all(one.ok for one in compared.values())
