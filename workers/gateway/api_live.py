"""`GET /api/v1/live`: what happens to a tenant's calls, second by second, and its alerts, as server-sent events."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Annotated

from fastapi import APIRouter, Depends, Header
from starlette.responses import StreamingResponse

from observatory.adapters.kafka import Record
from schemas.http_live import LiveParameters, LiveStatus
from workers.gateway.analytics_query import described_query, only_tenant, parameters_of
from workers.gateway.api_bodies import Asker
from workers.gateway.database import Database
from workers.gateway.live_feed import FeedAway, LiveFeed, Place
from workers.gateway.live_status import STATUS_EVERY_S, Scope, StatusDesk
from workers.gateway.refusals import invalid, not_available

_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


def live_router(feed: LiveFeed, database: Database) -> APIRouter:
    """The endpoint."""
    router = APIRouter(prefix="/api/v1/live", tags=["live"])
    status = StatusDesk(database)
    query = Annotated[LiveParameters, Depends(parameters_of(LiveParameters))]

    @router.get(
        "",
        response_class=StreamingResponse,
        openapi_extra=described_query(LiveParameters),
        responses={200: {"content": {"text/event-stream": {}}}},
    )
    async def watch(
        access: Asker,
        parameters: query,
        last_event_id: Annotated[str | None, Header(description="Where a stream was left.")] = None,
    ) -> StreamingResponse:
        """Events `metrics.window` (as on the topic `metrics.live`), `alert.raised` and `alert.resolved`.

        Besides, once a second, `status`: up to when all windows are complete, how many calls are in flight, and with
        `figures` the sums of the seconds since the last one.
        """
        scope = only_tenant(access, parameters.tenant)
        after = _place(last_event_id)
        try:
            await feed.open()
        except FeedAway as error:
            raise not_available("the broker is away; connect again") from error
        tenant_id = scope or access.tenant_id
        say = _Figures(status, tenant_id, scope) if parameters.figures else _Plainly(status, tenant_id)
        told = _told(feed, say, tenant_id, after)
        return StreamingResponse(told, media_type="text/event-stream", headers=_HEADERS)

    return router


def _place(text: str | None) -> Place | None:
    try:
        return None if text is None else Place.parse(text)
    except ValueError as error:
        raise invalid(str(error), "Last-Event-ID") from None


class _Plainly:
    """Windows as they come, and the status."""

    windows = True

    def __init__(self, desk: StatusDesk, tenant_id: str) -> None:
        self._desk, self._tenant_id = desk, tenant_id

    async def status(self) -> LiveStatus:
        """The next one."""
        return await self._desk.of(self._tenant_id)


class _Figures:
    """The sums of each second within the status, once."""

    windows = False

    def __init__(self, desk: StatusDesk, tenant_id: str, scope: Scope) -> None:
        self._desk, self._tenant_id, self._scope = desk, tenant_id, scope
        self._after = 0

    async def status(self) -> LiveStatus:
        """The next one."""
        found, self._after = await self._desk.with_figures(self._tenant_id, self._scope, self._after)
        return found


async def _told(
    feed: LiveFeed, say: _Plainly | _Figures, tenant_id: str, after: Place | None
) -> AsyncGenerator[bytes, None]:
    told_at = 0.0
    yield _status(await say.status())
    with suppress(FeedAway):  # the client connects again, with the last id that it has seen
        async with aclosing(feed.events(tenant_id, after, STATUS_EVERY_S)) as batches:
            async for batch in batches:
                body = b"".join(
                    _event(place, record) for place, record in batch if say.windows or not _is_window(record)
                )
                if time.monotonic() - told_at >= STATUS_EVERY_S:
                    told_at = time.monotonic()
                    body += _status(await say.status())
                if body:
                    yield body


def _type_of(record: Record) -> bytes:
    ce_type = next((value for name, value in record.headers if name == "ce_type"), b"")
    return ce_type.rpartition(b".v")[0]


def _is_window(record: Record) -> bool:
    return _type_of(record) == b"metrics.window"


def _event(place: Place, record: Record) -> bytes:
    body = (record.value or b"").replace(b"\n", b" ").replace(b"\r", b" ")
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (str(place).encode(), _type_of(record), body)


def _status(status: LiveStatus) -> bytes:
    return b"event: status\ndata: %s\n\n" % status.model_dump_json().encode()
