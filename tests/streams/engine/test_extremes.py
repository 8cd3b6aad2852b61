"""What honest programs and broken clocks send at the worst, through the engine: bounded, counted, never in the way."""

import json
from datetime import datetime, timedelta
from decimal import Decimal

from aiokafka import AIOKafkaConsumer, TopicPartition

from observatory.adapters.kafka import new_consumer, new_producer, topic_name
from schemas.topics import FEEDBACK_GIVEN, LLM_CALLS, TRACE_SPANS, Topic
from streams.folds.catalogue import FOLDS
from tests.streams.engine.ground import StreamGround
from tests.streams.engine.spans import NOW_NS, publish, received, span
from tests.streams.engine.test_feedback import give, given, until_routed
from tests.streams.ledger.calls import NOW, Body, call, encode

HOT = 5_000
JUDGING = [fold for fold in FOLDS if "requests" in (fold.name, fold.parent)]
SPANS, OF_A_RECORD = 10_000, 100
LONG = "t" * 10_000


def started(ago: timedelta, **more: object) -> Body:
    """A call of a conversation of its own whose producer says that it began so long ago."""
    return call(tenant_id="acme", started_at=(NOW - ago).isoformat(), **more)


async def test_late_early_and_skewed_events_stop_nothing_and_each_counts_once(ground: StreamGround) -> None:
    taken = [
        started(timedelta(seconds=1)), started(timedelta(hours=5)), started(timedelta(days=60)),
        started(timedelta(hours=-20)), started(timedelta(hours=3), ended_at=(NOW - timedelta(hours=9)).isoformat()),
    ]  # fmt: skip
    too_late, too_early = started(timedelta(days=100)), started(timedelta(days=-3))
    async with ground.workers():
        await ground.produce([too_late, *taken[:2], too_early, *taken[2:], *taken], partition=5)
        await ground.until_streamed()
        compared = await ground.compared()
    assert [one.examples for one in compared.values() if not one.ok] == []
    rows = await ground.pool.fetch("SELECT state->>'conversation_id' AS name, cost_usd FROM streams.conversations")
    assert {row["name"]: row["cost_usd"] for row in rows} == {
        body["conversation_id"]: Decimal(str(body["cost_usd"])) for body in taken
    }
    late = await ground.pool.fetchval("SELECT sum((state->>'late_calls')::int)::int FROM streams.requests")
    assert late == 1
    # Windows are of the broker's clock: whatever a producer's says, what comes now counts now.
    counted = await ground.pool.fetchrow(
        "SELECT sum(calls)::int AS calls, min(second) AS first, max(second) AS last FROM streams.window_cells"
    )
    assert counted is not None
    assert counted["calls"] == len(taken) + 2
    assert counted["last"] - counted["first"] < 60


async def test_a_conversation_with_very_many_calls_stays_one_small_state(ground: StreamGround) -> None:
    bodies = [
        call(tenant_id="acme", conversation_id="hot", user_id=f"u{number % 100}", cost_usd="0.000001", tags=None)
        for number in range(HOT)
    ]  # fmt: skip
    async with ground.workers(JUDGING, ()):
        await ground.produce(bodies, partition=2)
        await ground.until_streamed(JUDGING)
    rows = await ground.pool.fetch(
        """SELECT state->'sums'->>'requests' AS requests, cost_usd, length(state::text) AS size
           FROM streams.conversations"""
    )
    ((requests, cost, size),) = [tuple(row) for row in rows]
    assert (int(requests), cost) == (HOT, Decimal("0.000001") * HOT)
    assert size < 16_000


async def test_a_trace_of_ten_thousand_spans_is_counted_whole_and_kept_small(ground: StreamGround) -> None:
    records = [
        received(*(span(record * OF_A_RECORD + number + 1, 1 if record + number else None) for number in range(100)))
        for record in range(SPANS // OF_A_RECORD)
    ]
    other = received(span(1), trace_id="b" * 32)
    async with ground.workers():
        await publish(ground, *records, *records[:3], other)
        await ground.until_streamed()
        compared = await ground.compared()
    assert (compared["traces"].ok, compared["traces"].equal) == (True, 2)
    rows = await ground.pool.fetch(
        "SELECT state->'sums'->>'spans' AS spans, length(state::text) AS size FROM streams.traces ORDER BY trace_id"
    )
    assert [row["spans"] for row in rows] == [str(SPANS), "1"]
    assert rows[0]["size"] < 1_000_000
    assert await ground.pool.fetchval("SELECT count(*) FROM ledger.spans") == SPANS + 1


async def test_a_tenant_of_ten_thousand_letters_is_a_dead_letter_wherever_it_comes(ground: StreamGround) -> None:
    good = call(tenant_id="acme")
    spans = json.loads(received(span(1)).to_json())
    async with ground.workers(), ground.ledger():
        await ground.produce([call(tenant_id=LONG), good], partition=0)
        await give(ground, [given(good, tenant_id=LONG), given(good)])
        await put(ground, TRACE_SPANS, [{**spans, "tenant_id": LONG}, spans])
        await until_routed(ground, 1)
        await ground.until_streamed()
        await ground.until_applied()
    for topic in (LLM_CALLS, FEEDBACK_GIVEN, TRACE_SPANS):
        assert await dead_letters(ground, topic) == 1, topic.name
    assert await ground.pool.fetchval("SELECT count(*) FROM ledger.calls") == 1
    assert await ground.pool.fetchval("SELECT count(*) FROM streams.traces") == 1
    assert await ground.pool.fetchval("SELECT sum(calls)::int FROM streams.window_cells") == 1


async def test_spans_of_another_age_are_dead_letters_and_the_next_is_taken(ground: StreamGround) -> None:
    def moved(by: timedelta, number: int) -> Body:
        record: Body = json.loads(received(span(number)).to_json())
        start = NOW_NS + by // timedelta(microseconds=1) * 1000
        times = {"start_unix_nano": str(start), "end_unix_nano": str(start + 1)}
        return {**record, "spans": [{**json.loads(span(number).model_dump_json(exclude_none=True)), **times}]}

    async with ground.workers():
        taken = [moved(timedelta(hours=-9), 1), moved(timedelta(hours=20), 2)]
        await put(ground, TRACE_SPANS, [moved(timedelta(days=-40), 3), *taken, moved(timedelta(days=3), 4), taken[0]])
        await ground.until_streamed()
    assert await dead_letters(ground, TRACE_SPANS) == 2
    assert await ground.pool.fetchval("SELECT state->'sums'->>'spans' FROM streams.traces") == "2"
    starts = await ground.pool.fetch("SELECT start_at FROM ledger.spans")
    assert all(abs(row["start_at"] - datetime.now(row["start_at"].tzinfo)) < timedelta(days=1) for row in starts)


async def put(ground: StreamGround, topic: Topic, values: list[Body]) -> None:
    """In this order into one partition."""
    producer = new_producer(ground.settings.kafka, "test")
    await producer.start()
    for value in values:
        await producer.send_and_wait(topic_name(ground.settings.kafka, topic), encode(value), partition=1)
    await producer.stop()


async def dead_letters(ground: StreamGround, topic: Topic) -> int:
    """How many there are of a topic."""
    consumer: AIOKafkaConsumer = new_consumer(ground.settings.kafka, "test")
    await consumer.start()
    try:
        tp = TopicPartition(ground.settings.kafka.topic_prefix + topic.dlq, 0)
        consumer.assign([tp])
        return int((await consumer.end_offsets([tp]))[tp])
    finally:
        await consumer.stop()
