"""Watches all series for anomalies: closed windows in order, alarms as alerts, in one transaction with the cursor."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import groupby

from observatory.adapters.kafka import Publisher
from observatory.adapters.postgres import alerts, live
from observatory.adapters.postgres.anomalies import (
    SeriesName,
    WindowSum,
    calls_to_look_at,
    delete_series,
    read_series,
    save_series,
    window_sums,
)
from observatory.adapters.postgres.pool import Connection, Pool
from observatory.adapters.settings import Settings
from observatory.rules.anomalies.alerts import anomaly_alert, resolved_alert
from observatory.rules.anomalies.detector import new_series, step
from observatory.rules.anomalies.limits import Limits
from observatory.rules.anomalies.roster import IDLE_S, MOST_SERIES, who_leaves
from observatory.rules.anomalies.series import Change, Raised, Series
from observatory.rules.anomalies.windows import Window, window_of
from observatory.rules.model_names import without_date
from observatory.rules.money import total
from observatory.rules.sketch import merge
from streams.engine import metrics
from streams.leading import LeaderTask

log = logging.getLogger(__name__)

CURSOR = "anomalies"
EVERY_S = 1.0
AT_ONCE = 60
"""Windows in one turn: after a pause they are gone through piece by piece."""

LOOK_AT = 10

Found = list[tuple[SeriesName, Change]]


class AnomalyWatch:
    """Keeps the series in memory between turns, and reads them anew when another process has moved the cursor."""

    def __init__(self) -> None:
        self._series: dict[SeriesName, Series] = {}
        self._position: int | None = None

    async def turn(self, pool: Pool, _publisher: Publisher, settings: Settings) -> None:
        """Takes in what is closed. Raises when the database is away; the next turn begins where the last one ended."""
        closed = await live.closed_until(pool)
        if closed is None:
            return
        limits = _limits(settings)
        window_s = limits.window_s
        begin = await live.read_cursor(pool, CURSOR, closed // window_s * window_s)
        end = begin + min((closed - begin) // window_s, AT_ONCE) * window_s
        if end <= begin:
            return
        if self._position != begin:
            kept = await read_series(pool)
            self._series = {name: series for name, series in kept.items() if series.window_s == window_s}
        # What is remembered is ahead of the database until the transaction has ended.
        self._position = None
        sums = await window_sums(pool, begin, end, window_s)
        found, touched, gone = await self._step(sums, begin, end, limits)
        async with pool.acquire() as connection, connection.transaction():
            if not await live.move_cursor(connection, CURSOR, begin, end):
                return
            await delete_series(connection, gone)
            await save_series(connection, {name: self._series[name] for name in touched})
            await _tell(connection, found)
        self._position = end

    async def _step(
        self, sums: Sequence[WindowSum], begin: int, end: int, limits: Limits
    ) -> tuple[Found, list[SeriesName], list[SeriesName]]:
        """Takes the windows in; (what changed, the series that were touched, those that were dropped)."""
        found: Found = []
        touched: dict[SeriesName, None] = {}
        gone: list[SeriesName] = []
        by_start = {start: list(group) for start, group in groupby(sums, key=lambda one: one.start_s)}
        for start_s in range(begin, end, limits.window_s):
            windows = windows_of(by_start.get(start_s, ()), start_s)
            gone += self._make_places(windows, start_s, limits)
            for name, series in list(self._series.items()):
                window = windows.get(name)
                if window is None:
                    if start_s - series.active_s > IDLE_S and not series.alarms:
                        continue
                    window = Window(start_s=start_s)
                touched[name] = None
                found += [(name, change) for change in self._one_step(name, series, window, limits)]
            await asyncio.sleep(0)
        return found, [name for name in touched if name in self._series], [n for n in gone if n not in self._series]

    def _one_step(self, name: SeriesName, series: Series, window: Window, limits: Limits) -> list[Change]:
        try:
            return step(series, window, limits)
        except ArithmeticError:
            # A figure beyond all bounds must not keep the others from being watched: this one is learnt anew.
            log.exception("series %s begins anew", name)
            self._series[name] = new_series(window.start_s + limits.window_s, limits)
            return []

    def _make_places(self, windows: Mapping[SeriesName, Window], start_s: int, limits: Limits) -> list[SeriesName]:
        """Begins the series of this window that are new, the busiest first; returns those that had to go."""
        new = sorted(windows.keys() - self._series.keys(), key=lambda name: (-windows[name].calls, name))
        gone = []
        for name in new:
            if len(self._series) >= MOST_SERIES:
                leaving = who_leaves(windows[name].calls, self._series, start_s)
                if leaving is None:
                    metrics.ANOMALY_CALLS_LEFT_OUT.inc(windows[name].calls)
                    continue
                del self._series[leaving]
                gone.append(leaving)
            self._series[name] = new_series(start_s, limits)
        metrics.ANOMALY_SERIES.set(len(self._series))
        return gone


def windows_of(sums: Sequence[WindowSum], start_s: int) -> dict[SeriesName, Window]:
    """The windows of each tenant's models; the versions of a model, and what several providers serve, are one."""
    grouped: dict[SeriesName, list[WindowSum]] = {}
    for one in sums:
        if one.tenant_id:
            grouped.setdefault((one.tenant_id, without_date(one.model)), []).append(one)
    return {
        name: window_of(
            start_s,
            calls=sum(one.calls for one in own),
            errors=sum(one.errors for one in own),
            tokens=sum(one.tokens for one in own),
            output_tokens=sum(one.output_tokens for one in own),
            cost_usd=total(Decimal(one.cost_usd) for one in own),
            latency=merge(*(one.latency_ms_hist for one in own)),
        )
        for name, own in grouped.items()
    }


async def _tell(connection: Connection, found: Found) -> None:
    raised = []
    for (tenant_id, model), change in found:
        if isinstance(change, Raised):
            calls = await calls_to_look_at(
                connection, (tenant_id, model), change.metric, change.since_s, change.until_s, LOOK_AT
            )
            raised.append(anomaly_alert(tenant_id, model, change, calls))
            metrics.ANOMALIES_RAISED.labels(change.metric).inc()
            log.warning("%s: %s", tenant_id, raised[-1].message)
    await alerts.raise_new(connection, raised)
    over = [resolved_alert(*name, change) for name, change in found if not isinstance(change, Raised)]
    await alerts.resolve(connection, over)


def _limits(settings: Settings) -> Limits:
    return Limits(
        window_s=settings.anomaly_window_s,
        warm_up_s=settings.anomaly_warm_up_s,
        warm_up_calls=settings.anomaly_warm_up_calls,
    )


ANOMALIES = LeaderTask(name="anomalies", every_s=EVERY_S, turn=AnomalyWatch().turn)
