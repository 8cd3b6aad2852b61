"""What the live feed says of itself each second, asked of the database once for all watchers.

Sums of seconds are kept for each group of watchers that sees the same calls: who comes later gets them from here.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime

from observatory.adapters.postgres import live
from observatory.adapters.postgres.live import SpanSums
from observatory.adapters.postgres.pool import Pool
from schemas.http_live import LiveFigures, LiveSecond, LiveStatus, LiveSums
from workers.gateway.database import Database, DatabaseAway

STATUS_EVERY_S = 1.0
MINUTE_S = 60
KEPT_S = 300
FORGOTTEN_AFTER_S = 30.0

Scope = str | None
"""A tenant, or everybody."""


class StatusDesk:
    """How far the windows are complete, what is in flight, and the sums of the last seconds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asked_at = -STATUS_EVERY_S
        self._asking = asyncio.Lock()
        self._complete_until: int | None = None
        self._in_flight: Mapping[str, int] | None = None
        self._spans: dict[Scope, _Span] = {}

    async def of(self, tenant_id: str) -> LiveStatus:
        """Without figures."""
        async with self._asking:
            await self._ask()
        in_flight = None if self._in_flight is None else self._in_flight.get(tenant_id, 0)
        return LiveStatus(tenant_id=tenant_id, complete_until=self._until(), in_flight=in_flight)

    async def with_figures(self, tenant_id: str, scope: Scope, after: int) -> tuple[LiveStatus, int]:
        """With the sums of the seconds from `after` on, and the second from which to ask the next time."""
        async with self._asking:
            await self._ask()
            span = await self._span(scope)
        in_flight = None
        if self._in_flight is not None:
            in_flight = sum(self._in_flight.values()) if scope is None else self._in_flight.get(scope, 0)
        status = LiveStatus(tenant_id=tenant_id, complete_until=self._until(), in_flight=in_flight)
        if span is None:
            return status, after
        seconds = [_second(second, sums) for second, sums in span.seconds.items() if second >= after]
        figures = LiveFigures(tenant_id=scope, minute=LiveSums(**asdict(span.minute)), seconds=seconds)
        return status.model_copy(update={"figures": figures}), span.until

    def _until(self) -> datetime | None:
        return None if self._complete_until is None else datetime.fromtimestamp(self._complete_until, UTC)

    async def _ask(self) -> None:
        """At most once in a second, whoever asks."""
        if time.monotonic() - self._asked_at < STATUS_EVERY_S * 0.9:
            return

        async def both(pool: Pool) -> tuple[int | None, dict[str, int]]:
            return await live.closed_until(pool), await live.in_flight(pool)

        try:
            self._complete_until, self._in_flight = await self._database.run(both)
        except DatabaseAway:
            self._in_flight = None
        self._asked_at = time.monotonic()
        forgotten = self._asked_at - FORGOTTEN_AFTER_S
        self._spans = {scope: span for scope, span in self._spans.items() if span.asked_at >= forgotten}

    async def _span(self, scope: Scope) -> "_Span | None":
        until, known = self._complete_until, self._spans.get(scope)
        if known is not None:
            known.asked_at = time.monotonic()
        if until is None or self._in_flight is None or (known is not None and known.until >= until):
            return known
        begin = until - KEPT_S if known is None else max(known.until, until - KEPT_S)

        async def read(pool: Pool) -> tuple[list[tuple[int, SpanSums]], SpanSums]:
            minute = await live.sums_of(pool, until - MINUTE_S, until, scope)
            return await live.sums_by_second(pool, begin, until, scope), minute

        try:
            seconds, minute = await self._database.run(read)
        except DatabaseAway:
            return known
        older = {} if known is None else known.seconds
        kept = {second: sums for second, sums in (older | dict(seconds)).items() if second >= until - KEPT_S}
        self._spans[scope] = _Span(until, kept, minute, time.monotonic())
        return self._spans[scope]


class _Span:
    """The last seconds before `until` that had calls, and the last minute of them in sum."""

    def __init__(self, until: int, seconds: dict[int, SpanSums], minute: SpanSums, asked_at: float) -> None:
        self.until, self.seconds, self.minute, self.asked_at = until, seconds, minute, asked_at


def _second(second: int, sums: SpanSums) -> LiveSecond:
    return LiveSecond(at=datetime.fromtimestamp(second, UTC), **asdict(sums))
