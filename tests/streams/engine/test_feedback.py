"""Feedback on a real broker and database: whatever its key, it meets its call; what cannot be read is a dead letter."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from observatory.adapters.kafka import Publisher, new_consumer, new_producer, topic_name
from observatory.adapters.postgres.feedback import FeedbackQuery, read_feedback
from observatory.adapters.postgres.quality import QualityQuery, read_trend
from observatory.rules.instants import us_of
from schemas.calls import LlmCallRecorded
from schemas.topics import FEEDBACK_GIVEN, LLM_CALLS
from streams.engine.fold import key_of
from tests.streams.engine.ground import StreamGround
from tests.streams.ledger.calls import NOW, Body, call, encode

CONVERSATIONS = ("c0", "c1", "c2")


def conversation_of(number: int) -> str | None:
    return (*CONVERSATIONS, None)[number % 4]


def calls() -> list[Body]:
    return [call(conversation_id=conversation_of(n), tenant_id="acme", cost_usd="0.5") for n in range(40)]


def given(body: Body, **changes: object) -> Body:
    feedback: Body = {
        "feedback_id": str(uuid4()), "request_id": body["request_id"], "tenant_id": "acme", "value": 1,
        "given_at": NOW.isoformat(),
    }  # fmt: skip
    return {name: value for name, value in {**feedback, **changes}.items() if value is not None}


async def record_calls(ground: StreamGround, bodies: Iterable[Body]) -> None:
    """Under the keys that a chat worker uses."""
    publisher = Publisher(ground.settings.kafka, "test")
    await publisher.start()
    for body in bodies:
        key = str(body.get("conversation_id") or body["request_id"])
        await (await publisher.publish_bytes(LLM_CALLS, key, LlmCallRecorded, encode(body), UUID(str(body["call_id"]))))
    await publisher.stop()


async def give(ground: StreamGround, values: Iterable[Body | bytes]) -> None:
    """As a client does that knows nothing of keys: one partition after the other."""
    producer = new_producer(ground.settings.kafka, "test")
    await producer.start()
    for number, value in enumerate(values):
        body = value if isinstance(value, bytes) else encode(value)
        topic = topic_name(ground.settings.kafka, FEEDBACK_GIVEN)
        await producer.send_and_wait(topic, body, partition=number % FEEDBACK_GIVEN.partitions)
    await producer.stop()


async def know_requests(ground: StreamGround, bodies: Iterable[Body]) -> None:
    """Writes what the journal knows of requests that a worker claimed."""
    await ground.pool.executemany(
        """INSERT INTO journal.requests (tenant_id, request_id, body_sha256, topic_partition, topic_offset, record_key,
             use_history, lease_until, published_at, conversation_id)
           VALUES ($1, $2, '', 0, 0, $3, false, now(), now(), $4)""",
        [
            (
                b["tenant_id"], UUID(str(b["request_id"])), b.get("conversation_id") or str(b["request_id"]),
                b.get("conversation_id"),
            )
            for b in bodies
        ],
    )  # fmt: skip


async def until_routed(ground: StreamGround, count: int) -> None:
    """Returns when so much feedback was routed and all of it applied."""

    async def routed() -> bool:
        sums = await ground.pool.fetchval(
            "SELECT sum(jsonb_array_length(state->'scores'))::bigint FROM streams.requests"
        )
        return bool(sums == count)

    await ground.until(routed)


async def test_feedback_meets_its_call_whatever_its_key_and_whichever_comes_first(ground: StreamGround) -> None:
    bodies = calls()
    await know_requests(ground, bodies)
    early, late = [given(body) for body in bodies[:20]], [given(body, value=0.25) for body in bodies[20:]]
    correction = given(bodies[0], value=0, given_at=NOW.replace(microsecond=999_999).isoformat())
    async with ground.workers():
        await give(ground, early)
        await until_routed(ground, 20)
        await record_calls(ground, bodies)
        await give(ground, [*late, *late, correction])
        await until_routed(ground, 40)
        await ground.until_streamed()
        (cells,) = await ground.pool.fetch(
            """SELECT sum(n)::int AS n, sum(total)::int AS total, sum(ups)::int AS ups, sum(cost_usd) AS cost
               FROM streams.quality"""
        )
        compared = await ground.compared()
    assert tuple(cells) == (40, 19_000_000 + 20 * 250_000, 19, Decimal(20))
    assert [one.examples for one in compared.values() if not one.ok] == []
    rows = await ground.pool.fetch(
        """SELECT conversation_id, cost_usd, rating, state->'sums'->>'requests' AS turns FROM streams.conversations
           ORDER BY conversation_id"""
    )
    assert [(row["conversation_id"], row["cost_usd"], row["turns"]) for row in rows] == [
        (name, Decimal(5), "10") for name in CONVERSATIONS
    ]
    by_hand = (Decimal(4) + 5 * Decimal("0.25")) / 10  # the first of its five early ones was corrected to 0
    assert rows[0]["rating"] == by_hand


async def test_feedback_that_cannot_be_read_is_a_dead_letter_and_stops_nothing(ground: StreamGround) -> None:
    (body,) = calls()[:1]
    bad: list[Body | bytes] = [
        b"nope",
        given(body, value=7),
        given(body, given_at="2099-01-01T00:00:00Z"),
        given(body, thumbs="up"),
    ]
    async with ground.workers():
        await record_calls(ground, [body])
        await give(ground, [*bad, given(body)])
        await until_routed(ground, 1)
    consumer = new_consumer(ground.settings.kafka, "test")
    await consumer.start()
    consumer.subscribe([ground.settings.kafka.topic_prefix + FEEDBACK_GIVEN.dlq])
    reasons: list[bytes] = []
    while len(reasons) < len(bad):
        for records in (await consumer.getmany(timeout_ms=500)).values():
            reasons += [dict(record.headers)["dlq_reason"] for record in records]
    await consumer.stop()
    assert len(reasons) == len(bad)
    assert any(b"given_at" in reason for reason in reasons)


async def test_feedback_on_a_request_that_nobody_knows_waits_for_it(ground: StreamGround) -> None:
    (body,) = calls()[3:4]
    async with ground.workers():
        await give(ground, [given(body, thumbs="down", value=None)])
        await until_routed(ground, 1)
        assert await ground.pool.fetchval("SELECT count(*) FROM streams.quality") == 0
        await record_calls(ground, [body])
        await ground.until_streamed()
        downs = await ground.pool.fetchval("SELECT downs FROM streams.quality")
    assert downs == 1


async def test_feedback_goes_where_the_call_is_though_no_worker_of_ours_made_it(ground: StreamGround) -> None:
    (body,) = calls()[:1]
    async with ground.workers():
        await record_calls(ground, [body])
        await ground.until_streamed()
        await give(ground, [given(body)])
        await until_routed(ground, 1)
        await ground.until_streamed()
        found = await ground.pool.fetch("SELECT n, judged_calls FROM streams.quality")
        unattached = await ground.pool.fetchval("SELECT count(*) FROM streams.unattached")
    assert [tuple(row) for row in found] == [(1, 1)]
    assert unattached == 0


async def test_what_joins_no_call_counts_for_its_tenant_and_is_told(ground: StreamGround) -> None:
    known, unknown = calls()[:2]
    whole = {"conversation_id": known["conversation_id"], "request_id": None, "user_id": "alice"}
    async with ground.workers():
        await record_calls(ground, [known])
        await ground.until_streamed()
        await give(ground, [given(known), given(unknown, value=0), given(known, value=0.25, **whole)])
        await until_routed(ground, 3)
        await ground.until_streamed()
        compared = await ground.compared()
    assert [one.examples for one in compared.values() if not one.ok] == []
    query = QualityQuery(
        start=date(2020, 1, 1), end=date(2100, 1, 1), step="none", groups=["model"], tenants=["acme"], unattached=True
    )
    rows = {
        sums.keys[2]: (sums.n, sums.unattached, sums.total) for sums in await read_trend(ground.pool, query, None, 9)
    }
    assert rows == {str(known["response_model"]): (1, 0, 1_000_000), "": (2, 2, 250_000)}
    attached = replace(query, groups=[], unattached=False)
    assert [sums.n for sums in await read_trend(ground.pool, attached, None, 9)] == [1]
    of_model = replace(query, groups=[], models=[str(known["response_model"])])
    assert [sums.n for sums in await read_trend(ground.pool, of_model, None, 9)] == [1]
    wanted = FeedbackQuery(start_us=0, end_us=us_of(NOW) * 2, tenants=["acme"])
    listed = {one.given.millionths: one.attached for one in await read_feedback(ground.pool, wanted, None, 9)}
    assert listed == {1_000_000: True, 0: False, 250_000: True}
    (rating,) = await ground.pool.fetch(
        "SELECT rating, state->'scores'->'user:rating'->0 AS n FROM streams.conversations"
    )
    assert (rating["rating"], rating["n"]) == (Decimal("0.625"), "2")


async def test_feedback_on_nothing_is_a_dead_letter(ground: StreamGround) -> None:
    (body,) = calls()[3:4]
    async with ground.workers():
        await give(ground, [given(body, request_id=None), given(body)])
        await until_routed(ground, 1)
    assert await ground.pool.fetchval("SELECT count(*) FROM streams.feedback") == 1


@pytest.mark.parametrize(
    "parts", [("acme", "r"), ("a", "", "c"), ("ä" * 300, "r" * 300), ("t" * 999, ""), ("t" * 1000, "")]
)
async def test_keys_are_the_same_in_the_database(ground: StreamGround, parts: tuple[str, ...]) -> None:
    assert await ground.pool.fetchval("SELECT streams.key_of(VARIADIC $1::text[])", list(parts)) == key_of(*parts)
