"""Looks every few seconds how the pipeline as a whole stands, and shows it to Prometheus."""

import dataclasses
import time

from observatory.adapters.kafka import Publisher
from observatory.adapters.lag import LEDGER_GROUP, read_lags, retried_letters, working_groups
from observatory.adapters.postgres.pipeline import read_pipeline
from observatory.adapters.postgres.pool import Pool
from observatory.adapters.settings import Settings
from streams.folds.catalogue import FOLDS, RELAYS, STREAMED_TOPICS
from streams.leading import LeaderTask
from streams.pipeline_metrics import show, show_lags

EVERY_S = 5.0
LAGS_EVERY_S = 10.0
MOST_BUDGETS = 100
SINKS = {LEDGER_GROUP, *(fold.sink for fold in FOLDS), *(relay.sink for relay in RELAYS)}


async def turn(pool: Pool, _publisher: Publisher, _settings: Settings) -> None:
    """Looks once, at one moment."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        found = await read_pipeline(connection, MOST_BUDGETS)
    # What a processor that no longer exists has left behind would seem to stand still for ever.
    reached = [each for each in found.reached if each.sink in SINKS]
    show(dataclasses.replace(found, reached=reached), time.time())


async def look_at_lags(_pool: Pool, _publisher: Publisher, settings: Settings) -> None:
    """Asks the broker, which knows of groups without a member too."""
    working, letters = working_groups(settings.kafka, STREAMED_TOPICS), retried_letters(settings.kafka)
    found = await read_lags(settings.kafka, [*working, *letters])
    show_lags(found[: len(working)], found[len(working) :])


LAGS = LeaderTask(name="lags", every_s=LAGS_EVERY_S, turn=look_at_lags)
PIPELINE = LeaderTask(name="pipeline", every_s=EVERY_S, turn=turn)
