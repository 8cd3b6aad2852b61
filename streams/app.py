"""`python -m streams.app`: the stateful stream processors, on Faust. Stuck, it exits with 1 to be started anew."""

import asyncio
import logging
import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence

from aiokafka import TopicPartition

from observatory.adapters.kafka import Publisher, new_consumer
from observatory.adapters.postgres.pool import TRANSIENT, describe, insist, open_pool
from observatory.adapters.process import run
from observatory.adapters.settings import Settings, SettingsError
from observatory.adapters.telemetry import MetricsServer
from streams.engine.engine import Engine
from streams.engine.fold import Relay
from streams.engine.states import AnyFold
from streams.faust_app import StreamsApp
from streams.folds.catalogue import chosen
from streams.leader_tasks import TASKS
from streams.leading import lead
from streams.retention import keep_clean

log = logging.getLogger(__name__)

GROUP = "streams"
NOTE_S = 0.25
WATCH_S = 1.0
STUCK_S = 120.0


async def main(
    settings: Settings,
    stop: asyncio.Event,
    folds: Sequence[AnyFold] | None = None,
    relays: Sequence[Relay] | None = None,
) -> None:
    """Runs processors until told to stop, those of the settings by default. Waits for a database that is away.

    Exits with 2 for a processor that is unknown or stands without those it belongs to. Raises `KafkaError` when the
    broker is away at the start; later it is waited for.
    """
    try:
        chosen_folds, chosen_relays = chosen(settings.streams_only)
    except SettingsError as problem:
        sys.stderr.write(f"{GROUP}: {problem}\n")
        sys.exit(2)
    folds = chosen_folds if folds is None else folds
    relays = chosen_relays if relays is None else relays
    owner = settings.instance or f"{socket.gethostname()}-{os.getpid()}"
    pool = await insist("streams: database", lambda: open_pool(settings.database_url, size=4, application=owner))
    publisher = Publisher(settings.kafka, GROUP)
    await publisher.start()
    scout = new_consumer(settings.kafka, f"{owner}-scout")
    await scout.start()
    faust: StreamsApp | None = None

    async def seek(offsets: Mapping[TopicPartition, int]) -> None:
        if faust is not None:
            await faust.seek(offsets)

    engine = Engine(
        pool=pool, folds=folds, publisher=publisher, scout=scout, owner=owner,
        prefix=settings.kafka.topic_prefix, seek=seek, relays=relays,
    )  # fmt: skip
    faust = StreamsApp(settings, owner, group_of(settings), engine.topics)
    faust.place, faust.take, faust.applied = engine.place, engine.take, engine.applied
    server = MetricsServer(settings.metrics_host, settings.metrics_port, lambda: _health(engine))
    await server.start()
    beside = [
        asyncio.create_task(_note(engine, faust)),
        asyncio.create_task(keep_clean(pool, folds)),
        asyncio.create_task(lead(settings, publisher, owner, TASKS)),
    ]
    try:
        await faust.start()
        await _watched(engine, faust, stop)
    finally:
        for task in beside:
            task.cancel()
        await asyncio.wait(beside)
        await faust.stop()
        await server.stop()
        await scout.stop()
        await publisher.stop()
        await pool.close()


def group_of(settings: Settings) -> str:
    """The consumer group, without the prefix: workers of one group run the same processors."""
    names = sorted(filter(None, settings.streams_only.split(",")))
    return ".".join([GROUP, *names])


def _health(engine: Engine) -> Mapping[str, object]:
    waiting = engine.waiting_for or None
    return {"ok": waiting is None and not _stuck(engine), "waiting_for": waiting, "lag": engine.lag}


def _stuck(engine: Engine) -> bool:
    return engine.waiting_for == "" and engine.busy_since is not None and time.monotonic() - engine.busy_since > STUCK_S


async def _watched(engine: Engine, faust: StreamsApp, stop: asyncio.Event) -> None:
    """Waits for the word to stop. A Faust that crashed, or a batch that hangs, ends the process."""
    while not stop.is_set():
        try:
            await asyncio.wait_for(stop.wait(), WATCH_S)
        except TimeoutError:
            if faust.crashed or faust.should_stop or _stuck(engine):
                log.critical("faust crashed or a batch hangs: ending, to be started anew")
                os._exit(1)


async def _note(engine: Engine, faust: StreamsApp) -> None:
    while True:
        await asyncio.sleep(NOTE_S)
        consumer = faust.kafka_consumer
        if consumer is None:
            continue
        try:
            await engine.note_drained(consumer)
        except TRANSIENT as error:
            log.info("not noted: %s", describe(error))


if __name__ == "__main__":
    run(GROUP, main)
