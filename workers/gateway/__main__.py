"""`python -m workers.gateway`: the HTTP gateway."""

import asyncio
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from observatory.adapters.process import run
from observatory.adapters.settings import Settings
from workers.gateway.access import OpenToAll
from workers.gateway.app import Gateway, build_app

log = logging.getLogger(__name__)

DRAIN_S = 10.0
"""How long requests that wait may go on after SIGTERM, in seconds; then they are answered with 503."""


class _Server(uvicorn.Server):
    """Leaves the signals to us."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Serves until `stop` is set, then lets the requests that wait finish."""
    gateway = Gateway(settings)
    try:
        await gateway.start()
    except OpenToAll as problem:
        sys.stderr.write(f"gateway: OBSERVATORY_HTTP_HOST={settings.http_host}: {problem}\n")
        sys.exit(2)
    server = _Server(_config(settings, gateway))
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping, gateway.running}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    gateway.live.give_up()
    done, _ = await asyncio.wait((serving,), timeout=DRAIN_S)
    if not done:
        log.warning("%d requests are still waiting: answered with 503", gateway.listener.waiting)
        gateway.listener.give_up()
    stopping.cancel()
    await serving
    failed = gateway.running.done()
    await gateway.stop()
    if failed:
        gateway.running.result()


def _config(settings: Settings, gateway: Gateway) -> uvicorn.Config:
    return uvicorn.Config(
        build_app(gateway),
        host=settings.http_host,
        port=settings.http_port,
        loop="none",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=2048,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=round(DRAIN_S) + 3,
    )


if __name__ == "__main__":
    run("gateway", main)
