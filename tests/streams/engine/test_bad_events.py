"""What cannot be read, what a fold cannot take, what the database refuses: counted, dead-lettered, never in the way."""

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from aiokafka import TopicPartition

from observatory.adapters.kafka import Record, new_consumer
from schemas.topics import LLM_CALLS
from streams.engine.fold import At, Fold, Out, RowTable
from streams.ledger.decode import CallFields
from tests.streams.engine.ground import StreamGround
from tests.streams.ledger.calls import call

DETAIL = RowTable(name="streams.cursors", columns=("name", "position"))


class Seen(msgspec.Struct):
    """Users of a tenant, as text."""

    count: int = 0
    text: str = ""


def count(state: Seen | None, one: CallFields, at: At, out: Out) -> Seen:
    seen = state or Seen()
    if one.user_id == "breaks the fold":
        raise ZeroDivisionError("one user too many")
    seen.count += 1
    seen.text = one.user_id or ""
    if one.user_id == "breaks the database":
        out.row(DETAIL.name, ("a cursor", "not a number"))
    if one.user_id == "breaks it in the server":
        out.row(DETAIL.name, ("a cursor", None))
    return seen


RECENT = Fold(
    name="recent_calls", inputs=(LLM_CALLS,), state=Seen, key=lambda one: one.tenant_id, apply=count,
    keep=timedelta(hours=1),
)  # fmt: skip


async def dead_letters(ground: StreamGround) -> list[Record]:
    consumer = new_consumer(ground.settings.kafka, "test")
    await consumer.start()
    tp = TopicPartition(ground.settings.kafka.topic_prefix + LLM_CALLS.dlq, 0)
    consumer.assign([tp])
    found: list[Record] = []
    try:
        end = (await consumer.end_offsets([tp]))[tp]
        await consumer.seek_to_beginning(tp)
        while await consumer.position(tp) < end:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += records
    finally:
        await consumer.stop()
    return found


async def test_an_event_that_a_fold_cannot_take_is_dead_lettered_and_passed_over(ground: StreamGround) -> None:
    good = [call(tenant_id="acme") for _ in range(60)]
    bad = call(tenant_id="acme", user_id="breaks the fold")
    async with ground.workers([RECENT], ()):
        await ground.produce([*good[:30], bad, *good[30:]], partition=3)
        await ground.until_streamed([RECENT])
    state = await ground.pool.fetchval("SELECT state->>'count' FROM streams.recent_calls WHERE key = 'acme'")
    assert int(state) == 60
    (letter,) = await dead_letters(ground)
    reason = dict(letter.headers)["dlq_reason"].decode()
    assert reason == "fold recent_calls: ZeroDivisionError: one user too many"
    assert (await ground.compared([RECENT]))["recent_calls"].ok


@pytest.mark.parametrize("who", ["breaks the database", "breaks it in the server"])
async def test_what_the_database_refuses_is_found_and_dead_lettered(ground: StreamGround, who: str) -> None:
    refusing = replace(RECENT, rows=(DETAIL,))
    good = [call(tenant_id="acme") for _ in range(40)]
    bad = call(tenant_id="acme", user_id=who)
    async with ground.workers([refusing], ()):
        await ground.produce([*good[:20], bad, *good[20:]], partition=1)
        await ground.until_streamed([refusing])
    state = await ground.pool.fetchval("SELECT state->>'count' FROM streams.recent_calls WHERE key = 'acme'")
    assert int(state) == 40
    (letter,) = await dead_letters(ground)
    assert b"the database refused what came of it" in dict(letter.headers)["dlq_reason"]


async def test_what_cannot_be_read_stops_nothing_and_is_left_to_the_ledger(ground: StreamGround) -> None:
    async with ground.workers([RECENT], ()):
        await ground.produce(
            [
                call(tenant_id="acme"),
                b"{",
                b"\xff\xfe",
                b'{"a":' * 3_000 + b"1" + b"}" * 3_000,
                call(tenant_id="t" * 10_000),
                call(tenant_id="acme"),
            ]
        )
        await ground.until_streamed([RECENT])
    rows = await ground.pool.fetch(
        "SELECT key, sum((state->>'count')::int)::int AS n FROM streams.recent_calls GROUP BY key"
    )
    assert [tuple(row) for row in rows] == [("acme", 2)]
    assert await dead_letters(ground) == []


async def test_texts_of_any_kind_come_back_as_they_were(ground: StreamGround) -> None:
    async with ground.workers([RECENT], ()):
        await ground.produce([call(tenant_id="acme", user_id='né\u2028\U0001f600\\ "')])
        await ground.until_streamed([RECENT])
    assert (await ground.compared([RECENT]))["recent_calls"].ok
