"""`GET /api/v1/live`: what happens to a tenant's calls, second by second, and its alerts, as server-sent events."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import Annotated

import orjson
from fastapi import APIRouter, Header
from starlette.responses import StreamingResponse

from observatory.adapters.kafka import Record
from observatory.adapters.postgres import live
from observatory.adapters.postgres.pool import Pool
from schemas.base import rfc3339
from workers.gateway.api_bodies import Asker
from workers.gateway.database import Database, DatabaseAway
from workers.gateway.live_feed import FeedAway, LiveFeed, Place
from workers.gateway.refusals import invalid, not_available

STATUS_EVERY_S = 1.0
_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


class LiveStatus:
    """How far the windows are complete and what is in flight: asked of the database once a second for all watchers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asked_at = -STATUS_EVERY_S
        self._asking = asyncio.Lock()
        self._complete_until: int | None = None
        self._in_flight: dict[str, int] | None = None

    async def of(self, tenant_id: str) -> dict[str, object]:
        """The body of a `status` event; `in_flight` is null while the database is away."""
        async with self._asking:
            if time.monotonic() - self._asked_at >= STATUS_EVERY_S * 0.9:
                await self._ask()
                self._asked_at = time.monotonic()
        until = self._complete_until
        return {
            "tenant_id": tenant_id,
            "complete_until": None if until is None else rfc3339(datetime.fromtimestamp(until, UTC)),
            "in_flight": None if self._in_flight is None else self._in_flight.get(tenant_id, 0),
        }

    async def _ask(self) -> None:
        async def both(pool: Pool) -> tuple[int | None, dict[str, int]]:
            return await live.closed_until(pool), await live.in_flight(pool)

        try:
            self._complete_until, self._in_flight = await self._database.run(both)
        except DatabaseAway:
            self._in_flight = None


def live_router(feed: LiveFeed, database: Database) -> APIRouter:
    """The endpoint."""
    router = APIRouter(prefix="/api/v1/live", tags=["live"])
    status = LiveStatus(database)

    @router.get("", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}})
    async def watch(
        access: Asker, last_event_id: Annotated[str | None, Header(description="Where a stream was left.")] = None
    ) -> StreamingResponse:
        """Events `metrics.window` (as on the topic `metrics.live`), `alert.raised` and `alert.resolved`.

        Besides, once a second, `status`: up to when all windows are complete, and how many calls are in flight.
        """
        after = _place(last_event_id)
        try:
            await feed.open()
        except FeedAway as error:
            raise not_available("the broker is away; connect again") from error
        told = _told(feed, status, access.tenant_id, after)
        return StreamingResponse(told, media_type="text/event-stream", headers=_HEADERS)

    return router


def _place(text: str | None) -> Place | None:
    try:
        return None if text is None else Place.parse(text)
    except ValueError as error:
        raise invalid(str(error), "Last-Event-ID") from None


async def _told(feed: LiveFeed, status: LiveStatus, tenant_id: str, after: Place | None) -> AsyncGenerator[bytes, None]:
    told_at = 0.0
    yield _status(await status.of(tenant_id))
    with suppress(FeedAway):  # the client connects again, with the last id that it has seen
        async with aclosing(feed.events(tenant_id, after, STATUS_EVERY_S)) as batches:
            async for batch in batches:
                body = b"".join(_event(place, record) for place, record in batch)
                if time.monotonic() - told_at >= STATUS_EVERY_S:
                    told_at = time.monotonic()
                    body += _status(await status.of(tenant_id))
                if body:
                    yield body


def _event(place: Place, record: Record) -> bytes:
    ce_type = next((value for name, value in record.headers if name == "ce_type"), b"")
    body = (record.value or b"").replace(b"\n", b" ").replace(b"\r", b" ")
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (str(place).encode(), ce_type.rpartition(b".v")[0], body)


def _status(body: dict[str, object]) -> bytes:
    return b"event: status\ndata: %s\n\n" % orjson.dumps(body)
