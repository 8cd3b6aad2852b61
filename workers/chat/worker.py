"""The chat worker's parts, their start and their end."""

import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Callable

from aiokafka.errors import KafkaError

from observatory.adapters.kafka import Publisher
from observatory.adapters.live_experiments import LiveExperiments
from observatory.adapters.live_prices import LivePrices
from observatory.adapters.postgres.budgets import Budgets
from observatory.adapters.postgres.experiments import Experiments
from observatory.adapters.postgres.journal import Journal
from observatory.adapters.postgres.pool import INDEX_PLANS, LAZY_COMMITS, TRANSIENT, Pool, describe, insist, open_pool
from observatory.adapters.postgres.prices import NoPrices
from observatory.adapters.providers.registry import Providers
from observatory.adapters.settings import Settings
from observatory.adapters.telemetry import MetricsServer
from observatory.adapters.tracing import Tracing
from workers.chat.answering import Answering
from workers.chat.attempt import Caller
from workers.chat.budgeting import Budgeting
from workers.chat.claiming import Claiming
from workers.chat.experimenting import Experimenting
from workers.chat.health import Breaker, ProviderWatch
from workers.chat.intake import Intake
from workers.chat.leases import Leases
from workers.chat.outbox import Outbox
from workers.chat.queue import RequestQueue
from workers.chat.settling import Settler
from workers.chat.sweeper import Sweeper

CLOSE_S = 4.0
"""For all the steps of the end together; a step that comes late still gets `LEAST_CLOSE_S`."""
LEAST_CLOSE_S = 0.2

log = logging.getLogger(__name__)


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Answers requests until `stop`, then drains: no new claims, answers under way end, the rest is handed back."""
    chat, name = settings.chat, settings.instance or "chat"
    pool = await insist(
        "database", lambda: open_pool(settings.database_url, size=6, application=name, session=INDEX_PLANS)
    )
    lazy = await insist(
        "database",
        lambda: open_pool(settings.database_url, size=2, application=name, session={**INDEX_PLANS, **LAZY_COMMITS}),
    )
    prices = await _prices(pool)
    experiments = LiveExperiments(Experiments(pool))
    await insist("experiments", experiments.refresh)
    experimenting = Experimenting(experiments)
    journal, queue, wake = Journal(pool, lazy), RequestQueue(), asyncio.Event()
    publisher = Publisher(settings.kafka, name)
    providers = Providers(settings.providers, concurrency=chat.concurrency)
    outbox, leases = Outbox(journal, publisher), Leases(journal, chat.lease_s, chat.renew_s)
    tracing = Tracing(settings, "chat-worker")
    intake = Intake(settings, publisher, tracing, queue, wake)
    budgeting = Budgeting(Budgets(pool), prices, chat.max_output_tokens)
    settler, caller = Settler(journal, outbox), Caller(prices)
    watch = ProviderWatch(settings.kafka, name)
    breaker = Breaker(watch, most_resting=chat.concurrency // 4)
    answering = Answering(chat, journal, settler, publisher, providers, caller, budgeting, experimenting, breaker)
    claiming = Claiming(
        settings, queue, intake, journal, leases, outbox, answering, budgeting, experimenting, tracing, wake
    )
    metrics = MetricsServer(
        settings.metrics_host,
        settings.metrics_port,
        lambda: {"ok": True, "in_flight": len(leases), "waiting": len(queue), "partitions": intake.partitions},
    )
    await publisher.start()
    await intake.start()
    await metrics.start()
    tracing.start()
    running = [
        asyncio.create_task(part)
        for part in (
            claiming.run(stop),
            intake.run(stop),
            intake.commit_periodically(),
            Sweeper(journal, outbox, chat.sweep_s).run(),
            prices.follow(),
            experiments.follow(),
            watch.run(),
            leases.run(),
        )
    ]
    log.info("ready")
    try:
        await _until_stopped(stop, running)
    finally:
        wake.set()
        end = time.monotonic() + chat.drain_s
        await asyncio.wait(running[:2], timeout=chat.drain_s)
        await claiming.drain(end)
        for task in running[:-1]:
            task.cancel()
        await _close(
            answering.drain, leases.hand_back_all, outbox.drain, intake.close, publisher.stop, tracing.stop,
            providers.close, metrics.stop, lazy.close, pool.close,
        )  # fmt: skip
        running[-1].cancel()


async def _prices(pool: Pool) -> LivePrices:
    """Waits for the database. Ends the process where it was never made ready."""
    try:
        return await insist("prices", lambda: LivePrices.load(pool))
    except NoPrices as problem:
        sys.stderr.write(f"chat: {problem}\n")
        sys.exit(2)


async def _close(*steps: Callable[[], Awaitable[None]]) -> None:
    """One after the other; what cannot be done with the broker or the database away is left to be healed by others."""
    end = time.monotonic() + CLOSE_S
    for step in steps:
        try:
            async with asyncio.timeout(max(end - time.monotonic(), LEAST_CLOSE_S)):
                await step()
        except (*TRANSIENT, KafkaError) as error:
            log.warning("not done at the end: %s: %s", step.__qualname__, describe(error))


async def _until_stopped(stop: asyncio.Event, running: list[asyncio.Task[None]]) -> None:
    """Returns when `stop` is set; raises what a part raised that should not have ended."""
    waiting = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([waiting, *running], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    stop.set()
    for task in done:
        task.result()
