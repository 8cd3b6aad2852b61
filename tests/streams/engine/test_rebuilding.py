"""States made anew beside a running worker, and what a comparison says of states that are wrong."""

from aiokafka import AIOKafkaConsumer

from observatory.adapters.kafka import new_consumer
from streams.engine.rebuilding import rebuild
from streams.folds.catalogue import FOLDS
from tests.streams.engine.ground import StreamGround
from tests.streams.ledger.calls import call

FAMILY = [fold for fold in FOLDS if fold.name in ("recent_calls", "windows")]


async def test_wrong_states_are_found_and_made_anew_while_events_come(ground: StreamGround) -> None:
    consumer = new_consumer(ground.settings.kafka, "test")
    await consumer.start()
    try:
        async with ground.workers(FAMILY):
            await ground.produce([call() for _ in range(300)])
            await ground.until_streamed(FAMILY)
            await _spoil(ground)
            found = await ground.compared(FAMILY)
            assert found["recent_calls"].ok
            assert found["windows"].different == 2
            spoilt, missing = sorted(found["windows"].examples, key=lambda one: not one.stored)
            assert spoilt.stored != spoilt.replayed
            assert (missing.stored, missing.replayed[:10]) == ("", '{"second":')
            made = await _rebuild(ground, consumer)
            assert made["recent_calls"] == 300
            await ground.produce([call() for _ in range(300)])
            await ground.until_streamed(FAMILY)
        found = await ground.compared(FAMILY)
    finally:
        await consumer.stop()
    assert [one.examples for one in found.values() if not one.ok] == []
    assert found["recent_calls"].equal == 600


async def _spoil(ground: StreamGround) -> None:
    names = await ground.pool.fetch("SELECT part, key FROM streams.windows ORDER BY part, key LIMIT 2")
    changed, removed = (tuple(row) for row in names)
    await ground.pool.execute(
        """UPDATE streams.windows SET state = jsonb_set(state, '{cells,0,cost_usd}', '"12.5"')
           WHERE part = $1 AND key = $2""",
        *changed,
    )
    await ground.pool.execute("DELETE FROM streams.windows WHERE part = $1 AND key = $2", *removed)


async def _rebuild(ground: StreamGround, consumer: AIOKafkaConsumer) -> dict[str, int]:
    return await rebuild(ground.pool, consumer, ground.settings.kafka.topic_prefix, FAMILY, "test")
