"""The watch over anomalies on a real database: windows as the fold leaves them in, alerts out, whoever leads."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from uuid import UUID, uuid4

import orjson
import pytest

from observatory.adapters.kafka import Publisher, new_consumer, read_event, topic_name
from observatory.adapters.postgres.anomalies import read_series
from observatory.adapters.postgres.health import read_health
from observatory.rules.money import MONEY
from schemas.health import ProviderHealth
from schemas.topics import PROVIDER_HEALTH
from streams.anomalies import AT_ONCE, AnomalyWatch
from streams.provider_health import HealthWatch
from tests.streams.engine.ground import StreamGround
from tests.streams.windows import BEGIN_S, WARM_UP_S, WindowRows


class Windows(WindowRows):
    """With what closes them, and who watches them."""

    def __init__(self, ground: StreamGround) -> None:
        super().__init__(ground)
        self.settings = ground.settings.model_copy(update={"anomaly_warm_up_s": WARM_UP_S})

    async def pass_by(self, seconds: int, *, failing: int = 0, usd: str = "0.0004") -> None:
        """So many seconds are over."""
        await self.add(seconds, failing=failing, usd=usd)
        await self.close()

    async def close(self) -> None:
        """All seconds so far are closed."""
        await self.ground.pool.execute(
            """INSERT INTO ledger.sink_offsets (sink, topic, log_epoch, part, next_offset, applied_until, owner)
               SELECT 'streams.recent_calls', 'llm.calls', 0, part, 0, to_timestamp($1), 'test'
               FROM generate_series(0, 7) AS part
               ON CONFLICT (sink, topic, log_epoch, part) DO UPDATE SET applied_until = excluded.applied_until""",
            self.second,
        )

    async def fact(self, at_s: int, **changes: object) -> UUID:
        """A call of the ledger's."""
        row = {
            "call_id": uuid4(), "revision": 1, "request_id": uuid4(), "attempt": 1, "source": "worker",
            "tenant_id": "acme", "operation": "chat", "provider": "openai", "request_model": "gpt-4o-mini",
            "status": "ok", "usage_source": "provider", "cost_state": "settled", "topic_partition": 0,
            "topic_offset": 0, "started_at": datetime.fromtimestamp(at_s, UTC), **changes,
        }  # fmt: skip
        names, values = ", ".join(row), ", ".join(f"${number}" for number in range(1, len(row) + 1))
        await self.ground.pool.execute(f"INSERT INTO ledger.calls ({names}) VALUES ({values})", *row.values())
        return UUID(str(row["call_id"]))

    async def watched(self, *watches: AnomalyWatch) -> None:
        """The watches take turns until all windows are taken in."""
        publisher = Publisher(self.ground.settings.kafka, "test")
        await self.ground.pool.execute(
            "INSERT INTO streams.cursors VALUES ('anomalies', $1) ON CONFLICT DO NOTHING", BEGIN_S
        )
        turns = (self.second - BEGIN_S) // (10 * AT_ONCE) + 2
        try:
            for turn in range(turns * len(watches)):
                await watches[turn % len(watches)].turn(self.ground.pool, publisher, self.settings)
        finally:
            await publisher.stop()

    async def alerts(self) -> list[dict[str, object]]:
        rows = await self.ground.pool.fetch(
            """SELECT subject, severity, message, details::text, latest::text, resolved_at FROM ledger.alerts
               WHERE kind = 'anomaly' ORDER BY subject"""
        )
        return [{**row, "details": orjson.loads(row["details"]), "latest": orjson.loads(row["latest"])} for row in rows]


@pytest.fixture
async def windows(ground: StreamGround) -> Windows:
    await ground.pool.execute("TRUNCATE streams.anomaly_series, ledger.alerts, ledger.calls")
    return Windows(ground)


async def test_errors_raise_one_alert_with_the_calls_to_look_at_and_it_is_resolved_once(windows: Windows) -> None:
    await windows.pass_by(WARM_UP_S)
    failed = [await windows.fact(windows.second + second, status="error") for second in (5, 15, 25)]
    await windows.fact(windows.second + 6)
    begun = windows.second
    await windows.pass_by(60, failing=3)
    await windows.watched(AnomalyWatch())
    [alert] = await windows.alerts()
    assert alert["subject"] == "gpt-4o-mini error_rate"
    assert alert["severity"] == "critical"
    assert alert["resolved_at"] is None
    details = alert["details"]
    assert isinstance(details, dict)
    assert begun - 30 <= _second(details["since"]) <= begun
    assert _second(details["until"]) - begun <= 50
    assert details["look_at"] == [str(call_id) for call_id in reversed(failed)]
    await windows.pass_by(150)
    await windows.watched(AnomalyWatch())
    [alert] = await windows.alerts()
    assert alert["resolved_at"] is not None
    latest = alert["latest"]
    assert isinstance(latest, dict)
    assert latest["resolved_because"] == "back to usual"
    assert latest["look_at"] == details["look_at"]


async def test_money_in_an_alert_is_exact(windows: Windows) -> None:
    await windows.pass_by(WARM_UP_S)
    await windows.pass_by(60, usd="0.00400000000000000000000000000000000000001")
    await windows.watched(AnomalyWatch())
    [alert] = [one for one in await windows.alerts() if one["subject"] == "gpt-4o-mini cost_rate"]
    details = alert["details"]
    assert isinstance(details, dict)
    fault_s = (_second(details["until"]) - BEGIN_S) - WARM_UP_S
    cheap = MONEY.multiply(details["seen_s"] - fault_s, Decimal("0.0004"))
    dear = MONEY.multiply(fault_s, Decimal("0.00400000000000000000000000000000000000001"))
    assert Decimal(details["seen_usd"]) == MONEY.add(cheap, dear)
    assert Decimal(details["usual_usd"]) == details["usual_s"] * Decimal("0.0004")


async def test_watches_that_take_turns_say_no_more_than_one(windows: Windows) -> None:
    await windows.pass_by(WARM_UP_S)
    await windows.pass_by(60, failing=3)
    await windows.pass_by(200)
    await windows.watched(AnomalyWatch(), AnomalyWatch(), AnomalyWatch())
    by_turns, series = await windows.alerts(), await read_series(windows.ground.pool)
    await windows.ground.pool.execute("TRUNCATE streams.anomaly_series, streams.cursors, ledger.alerts")
    await windows.watched(AnomalyWatch())
    alone = await windows.alerts()
    for alert in (*by_turns, *alone):
        alert["resolved_at"] = alert["resolved_at"] is not None
    assert by_turns == alone != []
    assert series == await read_series(windows.ground.pool)


async def test_a_failed_turn_is_repeated_from_where_the_last_one_ended(windows: Windows) -> None:
    watch = AnomalyWatch()
    await windows.pass_by(WARM_UP_S)
    await windows.watched(watch)
    before = await read_series(windows.ground.pool)
    await windows.pass_by(60, failing=3)
    await windows.ground.pool.execute("ALTER TABLE ledger.alerts RENAME TO alerts_away")
    with pytest.raises(Exception, match="alerts"):
        await windows.watched(watch)
    await windows.ground.pool.execute("ALTER TABLE ledger.alerts_away RENAME TO alerts")
    assert await read_series(windows.ground.pool) == before
    await windows.watched(watch)
    assert [alert["subject"] for alert in await windows.alerts()] == ["gpt-4o-mini error_rate"]


def _second(text: object) -> int:
    return round(datetime.fromisoformat(str(text)).timestamp())


async def test_health_is_kept_and_published_with_every_change_and_every_ten_seconds(windows: Windows) -> None:
    settings, pool = windows.settings, windows.ground.pool
    await pool.execute("TRUNCATE streams.provider_health")
    publisher, consumer = Publisher(settings.kafka, "test"), new_consumer(settings.kafka, "test")
    await publisher.start()
    watch, states = HealthWatch(), []
    for failing, seconds in ((0, 30), (4, 15), (0, 100)):
        for _ in range(seconds):
            await windows.pass_by(1, failing=failing)
            await watch.turn(pool, publisher, settings)
            await watch.turn(pool, publisher, settings)
        states.append((await read_health(pool))["openai"].judged.state.health.state)
    await consumer.start()
    consumer.subscribe([topic_name(settings.kafka, PROVIDER_HEALTH)])
    events: list[ProviderHealth] = []
    async with asyncio.timeout(30):
        while not events or events[-1].measured_until.timestamp() <= windows.second - 10:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                events += [read_event(record, ProviderHealth)[1] for record in records]
    await consumer.stop()
    await publisher.stop()
    moments = [event.measured_until.timestamp() for event in events]
    assert moments == sorted(set(moments))
    assert max(after - before for before, after in pairwise(moments)) <= 10
    changes = [event.state for event, before in zip(events[1:], events, strict=False) if event.state != before.state]
    assert changes == ["degraded", "down", "degraded", "healthy"]
    assert states == ["healthy", "down", "healthy"]
