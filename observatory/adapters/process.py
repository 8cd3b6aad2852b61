"""How each of our processes begins and ends: settings, logging, uvloop, and an event that a signal sets."""

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Awaitable, Callable

import uvloop

from observatory.adapters.settings import Settings, SettingsError, load_settings
from observatory.adapters.telemetry import configure_logging

COLLECT_AFTER = 200_000
"""New objects before the collector looks for cycles. A batch holds thousands that are no cycle."""

Main = Callable[[Settings, asyncio.Event], Awaitable[None]]

log = logging.getLogger(__name__)


def run(component: str, main: Main) -> None:
    """Runs `main(settings, stop)` until it returns; SIGTERM and SIGINT set `stop`. Exits with 2 for bad settings."""
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.stderr.write(f"{component}: {error}\n")
        sys.exit(2)
    configure_logging(settings.log_level, settings.instance or component)
    calm_collector()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_signalled(main, settings))


def calm_collector() -> None:
    """Has the garbage collector run seldom, and not over what is there already.

    The modules, above all the SDKs' models, are hundreds of thousands of objects that live as long as the process:
    without this the collector would walk through them again and again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 20)


async def _until_signalled(main: Main, settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    log.info("starting")
    await main(settings, stop)
    log.info("stopped")
