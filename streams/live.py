"""Publishes the one-second windows, added up over all partitions, while they grow and when they are complete."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any
from uuid import UUID, uuid5

from observatory.adapters.kafka import Publisher
from observatory.adapters.postgres import live
from observatory.adapters.postgres.live import WindowCell
from observatory.adapters.postgres.pool import Pool
from observatory.adapters.settings import Settings
from observatory.rules.money import MONEY, ZERO
from observatory.rules.sketch import merge
from schemas.envelope import EVENT_NAMESPACE, event_id
from schemas.metrics import MetricsWindow, ModelWindow
from schemas.topics import METRICS_LIVE
from streams.leading import LeaderTask

CURSOR = "live"
EVERY_S = 0.25
AT_ONCE_S = 120
"""So many seconds in one turn: after a pause the windows come piece by piece."""

AHEAD_S = 60
"""The broker's clock may be ahead of ours."""


class LivePublisher:
    """Remembers what it has published of windows that still grow; after a change of leaders some come again."""

    def __init__(self) -> None:
        self._published: dict[tuple[int, str], int] = {}

    async def turn(self, pool: Pool, publisher: Publisher, _settings: Settings) -> None:
        """Publishes what is new. Raises when database or broker are away; the next turn makes it good."""
        now = int(time.time())
        closed = await live.closed_until(pool)
        begin = await live.read_cursor(pool, CURSOR, now)
        end = begin + AT_ONCE_S if now - begin > AT_ONCE_S else now + AHEAD_S
        cells = await live.window_cells(pool, begin, end)
        done = begin if closed is None else max(begin, min(closed, end))
        windows = [window for window in windows_of(cells, done) if self._is_new(window)]
        sent = [await publisher.publish(METRICS_LIVE, window.tenant_id, window, _id_of(window)) for window in windows]
        await asyncio.gather(*sent)
        self._published.update((_name(window), window.revision) for window in windows)
        if done > begin:
            await live.move_cursor(pool, CURSOR, begin, done)
            self._published = {name: seen for name, seen in self._published.items() if name[0] >= done}

    def _is_new(self, window: MetricsWindow) -> bool:
        return window.revision > self._published.get(_name(window), -1)


def windows_of(cells: Iterable[WindowCell], done: int) -> list[MetricsWindow]:
    """One window for each second and tenant; those before the second `done` are complete. Cells come in their order."""
    return [
        _window(second, tenant_id, list(own), complete=second < done)
        for (second, tenant_id), own in groupby(cells, key=lambda cell: (cell.second, cell.tenant_id))
        if tenant_id
    ]


def _window(second: int, tenant_id: str, cells: Sequence[WindowCell], *, complete: bool) -> MetricsWindow:
    models = [
        ModelWindow(provider=provider, model=model, **_sums(list(own)))
        for (provider, model), own in groupby(cells, key=lambda cell: (cell.provider, cell.model))
    ]
    return MetricsWindow(
        tenant_id=tenant_id,
        window_start=datetime.fromtimestamp(second, UTC),
        # A partition only ever adds calls to a window, so their number tells which of two states is the later.
        revision=2 * sum(cell.calls for cell in cells) + complete,
        complete=complete,
        models=models,
        **_sums(cells),
    )


def _sums(cells: Sequence[WindowCell]) -> dict[str, Any]:
    cost = ZERO
    for cell in cells:
        cost = MONEY.add(cost, cell.cost_usd)
    return {
        "calls": sum(cell.calls for cell in cells),
        "errors": sum(cell.errors for cell in cells),
        "unpriced_calls": sum(cell.unpriced_calls for cell in cells),
        "input_tokens": sum(cell.input_tokens for cell in cells),
        "output_tokens": sum(cell.output_tokens for cell in cells),
        "cost_usd": cost,
        "latency_ms_hist": merge(*(cell.latency_ms_hist for cell in cells)),
        "ttft_ms_hist": merge(*(cell.ttft_ms_hist for cell in cells)),
    }


def _name(window: MetricsWindow) -> tuple[int, str]:
    return int(window.window_start.timestamp()), window.tenant_id


def _id_of(window: MetricsWindow) -> UUID:
    second, tenant_id = _name(window)
    return event_id(uuid5(EVENT_NAMESPACE, f"{tenant_id}\x1f{second}"), window.ce_type, window.revision)


LIVE = LeaderTask(name="live windows", every_s=EVERY_S, turn=LivePublisher().turn)
