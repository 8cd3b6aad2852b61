"""`python -m streams.ledger`: the only writer of facts and rollups. Stuck, it exits with 1 to be started anew."""

import asyncio
import logging
import os
import socket
from collections.abc import Mapping

from observatory.adapters.kafka import Publisher, new_consumer, topic_name
from observatory.adapters.postgres.ledger import SinkOffsets
from observatory.adapters.postgres.pool import insist, open_pool
from observatory.adapters.process import run
from observatory.adapters.settings import Settings
from observatory.adapters.telemetry import MetricsServer
from observatory.adapters.tracing import Tracing
from schemas.topics import LLM_CALLS
from streams.ledger.alerting import watch
from streams.ledger.loop import Loop
from streams.ledger.metrics import watch_disk
from streams.ledger.progress import Progress
from streams.ledger.retention import keep_clean
from streams.ledger.rolling import keep_rolling
from streams.ledger.tracing import BatchTraces
from streams.ledger.writer import Writer

log = logging.getLogger(__name__)

SINK = "ledger"
WATCH_S = 1.0
FETCH_BYTES = 65_536
FETCH_WAIT_MS = 100


async def main(settings: Settings, stop: asyncio.Event, group: str = SINK) -> None:
    """Runs the ledger until told to stop, with partitions assigned by the consumer group of that name.

    Waits for a database that is away. Raises `KafkaError` when the broker is away at the start; later it is waited for.
    """
    topic = topic_name(settings.kafka, LLM_CALLS)
    owner = settings.instance or f"{socket.gethostname()}-{os.getpid()}"
    pool = await insist("ledger: database", lambda: open_pool(settings.database_url, size=3, application=owner))
    # A named process that is killed takes its partitions again at once, instead of waiting for its own session to end.
    group_id = settings.kafka.topic_prefix + group
    consumer = new_consumer(
        settings.kafka,
        owner,
        group_id=group_id,
        instance=settings.instance or None,
        fetch_min_bytes=FETCH_BYTES,
        fetch_max_wait_ms=FETCH_WAIT_MS,
    )
    publisher = Publisher(settings.kafka, SINK)
    await publisher.start()
    await consumer.start()
    offsets = SinkOffsets(SINK, topic, owner)
    progress = Progress(topic, consumer, pool, offsets)
    tracing = Tracing(settings, SINK)
    traces = BatchTraces(tracing)
    writer = Writer(pool, offsets, publisher, progress, settings.facts_retention_days, traces)
    loop = Loop(
        topic=topic, consumer=consumer, pool=pool, offsets=offsets, writer=writer, progress=progress,
        retention_days=settings.facts_retention_days,
    )  # fmt: skip
    server = MetricsServer(settings.metrics_host, settings.metrics_port, lambda: _health(progress))
    watch_disk(settings.data_dir)
    await server.start()
    tracing.start()
    beside = [
        asyncio.create_task(keep_clean(pool, settings)),
        asyncio.create_task(watch(settings, publisher, owner)),
        asyncio.create_task(keep_rolling(settings, SINK, topic, owner)),
    ]
    try:
        await _watched(asyncio.create_task(loop.run(stop)), progress)
    finally:
        for task in beside:
            task.cancel()
        await asyncio.wait(beside)
        await server.stop()
        await consumer.stop()
        await publisher.stop()
        await tracing.stop()
        await pool.close()


def _health(progress: Progress) -> Mapping[str, object]:
    waiting = progress.waiting_for or None
    return {"ok": waiting is None and not progress.stuck(), "lag": progress.lag, "waiting_for": waiting}


async def _watched(loop: asyncio.Task[None], progress: Progress) -> None:
    """Waits for the loop. A Kafka client may stop reading without an error, so a stuck loop ends the process."""
    while not loop.done():
        await asyncio.wait([loop], timeout=WATCH_S)
        if progress.stuck() and not loop.done():
            # Not by an exception: closing a client that is stuck may hang as well.
            log.critical("stuck for a minute: ending, to be started anew")
            os._exit(1)
    loop.result()


if __name__ == "__main__":
    run(SINK, main)
