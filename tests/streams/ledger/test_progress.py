"""Offsets, watermark and retention: where reading begins, what is said of it, and what is deleted when."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from prometheus_client import REGISTRY

from observatory.adapters.kafka import create_topics
from observatory.adapters.postgres.ledger import watermark
from streams.ledger.retention import clean
from tests.streams.ledger.calls import call, expected_sums
from tests.streams.ledger.ground import Ground

JOURNAL = (Path(__file__).parent / "journal.sql").read_text()


def lost() -> float:
    return REGISTRY.get_sample_value("observatory_ledger_lost_records_total") or 0


async def test_the_watermark_passes_now_when_everything_is_applied(ground: Ground) -> None:
    async with ground.ledger():
        await ground.produce([call() for _ in range(20)])
        produced_at = datetime.now(UTC)

        async def passed() -> bool:
            moment = await watermark(ground.pool, "ledger", ground.topic)
            return moment is not None and moment > produced_at

        await ground.until(passed)
        assert await ground.pool.fetchval("SELECT sum(calls) FROM ledger.rollup_1m") == 20


async def test_a_topic_made_anew_is_read_from_its_start_and_nothing_is_booked_twice(ground: Ground) -> None:
    bodies = [call() for _ in range(30)]
    async with ground.ledger():
        await ground.produce(bodies)
        await ground.until_applied()
    admin = AIOKafkaAdminClient(bootstrap_servers=ground.settings.kafka.bootstrap)
    await admin.start()
    await admin.delete_topics([ground.topic])
    await ground.until(lambda: _created_again(ground))
    await admin.close()
    more = [call() for _ in range(60)]
    await ground.produce([*bodies[:10], *more])
    async with ground.ledger():
        await ground.until_applied()
    assert await ground.facts() == await ground.rollups() == expected_sums([*bodies, *more])


async def _created_again(ground: Ground) -> bool:
    return ground.topic in await create_topics(ground.settings.kafka)


async def test_records_that_the_broker_deleted_before_they_were_read_are_counted_and_reading_goes_on(
    ground: Ground,
) -> None:
    async with ground.ledger():
        await ground.produce([call()], partition=0)
        await ground.until_applied()
    await ground.produce([call() for _ in range(9)], partition=0)
    admin = AIOKafkaAdminClient(bootstrap_servers=ground.settings.kafka.bootstrap)
    await admin.start()
    await admin.delete_records({TopicPartition(ground.topic, 0): RecordsToDelete(before_offset=5)})
    await admin.close()
    before = lost()
    async with ground.ledger():
        await ground.until_applied()
    assert lost() - before == 4
    assert await ground.pool.fetchval("SELECT sum(calls) FROM ledger.rollup_1m") == 1 + 5


async def test_old_facts_and_finished_journal_rows_are_deleted_and_rollups_stay(ground: Ground) -> None:
    old, new = call(started_at=(datetime.now(UTC) - timedelta(days=50)).isoformat()), call()
    async with ground.ledger():
        await ground.produce([old, new])
        await ground.until_applied()
    await ground.pool.execute("TRUNCATE journal.requests, journal.attempts")
    await ground.pool.execute(JOURNAL)
    await clean(ground.pool, facts_days=40, journal_days=35)
    requests = await ground.pool.fetch("SELECT tenant_id FROM journal.requests ORDER BY 1")
    attempts = await ground.pool.fetch("SELECT tenant_id FROM journal.attempts ORDER BY 1")
    assert [row["tenant_id"] for row in requests] == ["new", "old unpublished"]
    assert [row["tenant_id"] for row in attempts] == ["new", "old unfinished", "old unpublished"]
    assert await ground.facts() == expected_sums([new])
    assert await ground.rollups() == expected_sums([old, new])
