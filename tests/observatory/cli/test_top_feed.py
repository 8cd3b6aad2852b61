"""The live feed as `observatory top` hears it: gateways go away and come back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from observatory.cli import top_feed
from observatory.cli.top_feed import Feed, listen
from tests.observatory.rules.test_live_windows import BEGIN, window


class Gateway:
    """Answers `/api/v1/live` as a gateway does, for as long as it runs."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.last_ids: list[str | None] = []
        self.status = 200

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_get("/api/v1/live", self._live)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        self.port = runner.addresses[0][1]
        try:
            yield f"http://127.0.0.1:{self.port}"
        finally:
            await runner.cleanup()

    async def _live(self, request: web.Request) -> web.StreamResponse:
        self.last_ids.append(request.headers.get("last-event-id"))
        if self.status != 200:
            return web.json_response({"detail": "an API key is needed"}, status=self.status)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        body = window(len(self.last_ids), 5).model_dump_json()
        status = json.dumps({"tenant_id": "acme", "in_flight": 7, "complete_until": None})
        told = f"event: status\ndata: {status}\n\nid: 5-6\nevent: metrics.window\ndata: {body}\n\n"
        await response.write(told.encode())
        await asyncio.Event().wait()  # open until its client or the test goes
        return response


@asynccontextmanager
async def listening(url: str) -> AsyncIterator[Feed]:
    feed = Feed()
    async with aiohttp.ClientSession() as session:
        task = asyncio.create_task(listen(session, url, {}, feed))
        try:
            yield feed
        finally:
            task.cancel()
            await asyncio.wait([task])


async def until_true(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # what is waited for comes over the network
            await asyncio.sleep(0.02)


async def test_a_gateway_that_goes_away_is_told_and_found_again_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(top_feed, "SILENCE_S", 1.0)
    gateway = Gateway()
    async with gateway.running() as url, listening(url) as feed:
        await until_true(lambda: not feed.problem and feed.windows.newest)
        assert (feed.tenant_id, feed.in_flight) == ("acme", 7)
        await until_true(lambda: "does not answer" in feed.problem)
        await until_true(lambda: len(gateway.last_ids) == 2 and not feed.problem)
        assert gateway.last_ids == [None, "5-6"]
    assert feed.windows.whole(int(BEGIN.timestamp()) + 5, 10).calls == 10


async def test_a_gateway_that_refuses_is_told_with_its_reason() -> None:
    gateway = Gateway()
    gateway.status = 401
    async with gateway.running() as url, listening(url) as feed:
        await until_true(lambda: "HTTP 401: an API key is needed" in feed.problem)
