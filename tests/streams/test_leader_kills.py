"""The worker that leads is killed again and again: windows, alarms and health come out as if it had lived."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar
from uuid import UUID

import orjson
import pytest
from aiokafka import TopicPartition

from observatory.adapters.kafka import new_consumer, read_event, topic_name
from observatory.adapters.postgres import live
from observatory.adapters.postgres.anomalies import read_series, window_sums
from observatory.adapters.postgres.health import read_health
from observatory.rules.anomalies.alerts import anomaly_alert, resolved_alert
from observatory.rules.anomalies.detector import new_series, step
from observatory.rules.anomalies.limits import Limits
from observatory.rules.anomalies.series import Raised
from observatory.rules.anomalies.windows import WINDOW_S, Window
from schemas.health import ProviderHealth
from schemas.metrics import MetricsWindow
from schemas.topics import METRICS_LIVE, PROVIDER_HEALTH, Topic
from streams.anomalies import windows_of
from streams.leading import LOCK
from tests.forking import Program
from tests.streams.engine.ground import StreamGround
from tests.streams.windows import WindowRows

BACKLOG_S = 6000
WARM_UP_S = 600
LIMITS = Limits(warm_up_s=WARM_UP_S, warm_up_calls=100)
KILLS = 4
STEP_S = BACKLOG_S // (KILLS + 2)
NAME = ("acme", "gpt-4o-mini")

E = TypeVar("E", MetricsWindow, ProviderHealth)


@pytest.fixture
async def backlog(ground: StreamGround) -> WindowRows:
    """An hour and more of windows until now, with alarms in them, before which both cursors stand."""
    await ground.pool.execute("TRUNCATE streams.anomaly_series, streams.provider_health, ledger.alerts")
    begin_s = int(time.time()) // WINDOW_S * WINDOW_S - BACKLOG_S
    rows = WindowRows(ground, begin_s)
    for cursor in ("live", "anomalies"):
        await ground.pool.execute("INSERT INTO streams.cursors VALUES ($1, $2)", cursor, begin_s)
    for number in range(5):
        await rows.add(800)
        await rows.add(120, failing=3 * (number % 2), usd="0.0004" if number % 2 else "0.004")
        await rows.add(280)
    return rows


@asynccontextmanager
async def two_workers(ground: StreamGround) -> AsyncIterator["Leading"]:
    leading = Leading(ground, {})
    for number in (1, 2):
        await leading.start(number)
    try:
        yield leading
    finally:
        for worker in leading.workers.values():
            worker.terminate()
        await asyncio.gather(*(worker.ended() for worker in leading.workers.values()))


@dataclass
class Leading:
    """Two stream workers, of which one leads."""

    ground: StreamGround
    workers: dict[int, Program]

    async def start(self, number: int) -> None:
        self.workers[number] = self.ground.worker_process(number, OBSERVATORY_ANOMALY_WARM_UP_S=str(WARM_UP_S))

    async def kill_leader(self) -> None:
        """And starts it again."""
        leader: str = await self.ground.pool.fetchval(
            """SELECT application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid)
               WHERE l.locktype = 'advisory' AND l.granted AND ((l.classid::bigint << 32) | l.objid::bigint) = $1
                 AND a.datname = current_database()""",
            LOCK,
        )
        number = int(leader.removesuffix("-leader")[-1])
        self.workers[number].send_signal(signal.SIGKILL)
        await self.workers[number].ended()
        await self.start(number)


async def test_a_leader_that_is_killed_leaves_nothing_out_and_says_nothing_twice(
    ground: StreamGround, backlog: WindowRows
) -> None:
    begin_s, end_s = backlog.second - BACKLOG_S, backlog.second
    async with two_workers(ground) as workers:
        for kill in range(1, KILLS + 1):
            await ground.until(partial(_passed, ground, "anomalies", begin_s + kill * STEP_S))
            await workers.kill_leader()
        for cursor in ("live", "anomalies"):
            await ground.until(partial(_passed, ground, cursor, end_s))
        await ground.until(lambda: _healthy(ground, end_s))
    windows = await events_of(ground, METRICS_LIVE, MetricsWindow)
    await each_window_was_published(ground, windows, begin_s, end_s)
    await alarms_are_those_of_one_run(ground, begin_s)
    health = await events_of(ground, PROVIDER_HEALTH, ProviderHealth)
    assert {event.provider for event in health} == {"openai"}


async def events_of(ground: StreamGround, topic: Topic, kind: type[E]) -> list[E]:
    """All that was published, each once: what has one id has one content."""
    consumer = new_consumer(ground.settings.kafka, "test")
    await consumer.start()
    name = topic_name(ground.settings.kafka, topic)
    parts = [TopicPartition(name, part) for part in range(topic.partitions)]
    consumer.assign(parts)
    await consumer.seek_to_beginning(*parts)
    ends = await consumer.end_offsets(parts)
    found: dict[str, E] = {}
    try:
        while any([await consumer.position(part) < end for part, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    envelope, event = read_event(record, kind)
                    assert envelope.ce_id is not None
                    assert found.setdefault(envelope.ce_id, event) == event
    finally:
        await consumer.stop()
    return list(found.values())


async def each_window_was_published(
    ground: StreamGround, windows: list[MetricsWindow], begin_s: int, end_s: int
) -> None:
    complete = [window for window in windows if window.complete]
    calls = {
        int(window.window_start.timestamp()): (window.calls, window.errors, window.cost_usd) for window in complete
    }
    assert len(calls) == len(complete), "a window is complete once"
    cells = await live.window_cells(ground.pool, begin_s, end_s)
    assert calls == {cell.second: (cell.calls, cell.errors, cell.cost_usd) for cell in cells}


async def alarms_are_those_of_one_run(ground: StreamGround, begin_s: int) -> None:
    """The detector run once over the same windows finds these alerts, these ends and this memory."""
    until_s = await live.read_cursor(ground.pool, "anomalies", 0)
    sums = await window_sums(ground.pool, begin_s, until_s, WINDOW_S)
    windows = {
        start_s: windows_of([one for one in sums if one.start_s == start_s], start_s)[NAME]
        for start_s in {one.start_s for one in sums}
    }
    series = new_series(begin_s)
    raised: dict[UUID, str] = {}
    over: dict[UUID, dict[str, object]] = {}
    for start_s in range(begin_s, until_s, WINDOW_S):
        for change in step(series, windows.get(start_s, Window(start_s=start_s)), LIMITS):
            if isinstance(change, Raised):
                alert = anomaly_alert(*NAME, change, [])
                raised[alert.alert_id] = alert.message
            else:
                over.update([resolved_alert(*NAME, change)])
    rows = await ground.pool.fetch("SELECT alert_id, message, latest::text, resolved_at FROM ledger.alerts")
    assert len(raised) >= 4
    assert {UUID(int=row["alert_id"].int): row["message"] for row in rows} == raised
    resolved = {UUID(int=row["alert_id"].int): orjson.loads(row["latest"]) for row in rows if row["resolved_at"]}
    assert {alert_id: latest["until"] for alert_id, latest in resolved.items()} == {
        alert_id: added["until"] for alert_id, added in over.items()
    }
    assert len(over) >= 4
    assert await read_series(ground.pool) == {NAME: series}


async def _passed(ground: StreamGround, cursor: str, second: int) -> bool:
    return await live.read_cursor(ground.pool, cursor, 0) >= second


async def _healthy(ground: StreamGround, second: int) -> bool:
    kept = await read_health(ground.pool)
    return "openai" in kept and kept["openai"].measured_until >= second
