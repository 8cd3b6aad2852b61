"""Watches what the facts say of budgets and prices, beside the sink and on a connection of its own: never in its way.

Alerts are rows first and events after: what a kill keeps from being published is published by the next watcher. Every
ledger watches; the database lets one at a time.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Coroutine, Iterator
from uuid import UUID

import asyncpg
import orjson
from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata
from asyncpg import Record

from observatory.adapters.kafka import Publisher
from observatory.adapters.postgres import alerts
from observatory.adapters.postgres.budget_watch import look
from observatory.adapters.postgres.pool import TRANSIENT, Pool, describe, insist, open_pool
from observatory.adapters.settings import Settings
from observatory.rules.alerts import budget_alerts, standing_budget_alerts, unpriced_alerts
from schemas.alerts import AlertRaised, AlertResolved
from schemas.envelope import event_id
from schemas.topics import ALERT_EVENTS
from streams.ledger import metrics

log = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0
REST = 9
"""After a look that took long, so many times as long is waited: watching takes a tenth of a connection at most."""

PUBLISH_EVERY_S = 1.0
BATCH = 200
PUBLISH_S = 60.0
"""Longer than the producer tries: after it nothing of a batch is under way any more."""

PASSING = (*TRANSIENT, KafkaError, asyncpg.PostgresError)

# What is looked for changes with every look: a plan made for other values may read all facts.
SESSION = {"plan_cache_mode": "force_custom_plan"}


async def watch(settings: Settings, publisher: Publisher, owner: str) -> None:
    """Looks and publishes for ever, each at its own pace: a broker that is away keeps no alert from being raised.

    A failure waits for the next turn. Ends by being cancelled.
    """
    pool = await insist(
        "alerts: database", lambda: open_pool(settings.database_url, size=2, application=owner, session=SESSION)
    )
    try:
        await asyncio.gather(_keep_looking(pool, settings.facts_retention_days), _keep_publishing(pool, publisher))
    finally:
        pool.terminate()


async def _keep_looking(pool: Pool, facts_days: int) -> None:
    while True:
        started = time.monotonic()
        await _try("watched", look_once(pool, facts_days))
        took = time.monotonic() - started
        metrics.ALERT_LOOK_SECONDS.observe(took)
        await asyncio.sleep(max(LOOK_EVERY_S, REST * took))


async def _keep_publishing(pool: Pool, publisher: Publisher) -> None:
    while True:
        await _try("published", publish_open(pool, publisher))
        await asyncio.sleep(PUBLISH_EVERY_S)


async def _try(what: str, turn: Coroutine[None, None, None]) -> None:
    try:
        await turn
    except PASSING as error:
        metrics.ALERT_FAILURES.inc()
        log.warning("alerts: not %s, again in a moment: %s", what, describe(error))
    except Exception:
        # Whatever it is, the sink beside us goes on, and the next turn may find other rows.
        metrics.ALERT_FAILURES.inc()
        log.exception("alerts: not %s", what)


async def look_once(pool: Pool, facts_days: int) -> None:
    """Raises and resolves, in one transaction; does nothing while another watcher is at it."""
    async with pool.acquire() as connection, connection.transaction():
        if not await alerts.only_one_watcher(connection):
            return
        spendings = await look(connection)
        unpriced = list(unpriced_alerts(await alerts.unpriced_models(connection, facts_days)))
        raised, resolved = await alerts.keep(
            connection,
            [*budget_alerts(spendings), *unpriced],
            [*standing_budget_alerts(spendings), *unpriced],
        )
    for kind, count in Counter(raised).items():
        metrics.ALERTS_RAISED.labels(kind).inc(count)
    for kind, count in Counter(resolved).items():
        metrics.ALERTS_RESOLVED.labels(kind).inc(count)


async def publish_open(pool: Pool, publisher: Publisher) -> None:
    """Publishes what the broker does not have and marks it; one publisher at a time, so that nothing is sent twice.

    A kill between the broker's word and the mark sends an event again, under the same id.
    """
    while True:
        async with pool.acquire() as connection, connection.transaction():
            if not await alerts.only_one_publisher(connection):
                return
            rows = await alerts.unpublished(connection, BATCH)
            if not rows:
                return
            async with asyncio.timeout(PUBLISH_S):
                await asyncio.gather(*[await _send(publisher, event) for row in rows for event in _events(row)])
            await alerts.mark_published(connection, [(row["alert_id"], _count(row)) for row in rows])


async def _send(publisher: Publisher, event: AlertRaised | AlertResolved) -> asyncio.Future[RecordMetadata]:
    return await publisher.publish(ALERT_EVENTS, event.tenant_id, event, event_id(event.alert_id, event.ce_type))


def _count(row: Record) -> int:
    """How many events an alert has had."""
    return 1 if row["resolved_at"] is None else 2


def _events(row: Record) -> Iterator[AlertRaised | AlertResolved]:
    """The events of an alert that the broker lacks, in order."""
    fields = {
        name: row[name] for name in ("alert_id", "kind", "severity", "tenant_id", "subject", "message", "raised_at")
    }
    # The database's client has a UUID of its own, which a strict model takes for another type.
    fields["alert_id"] = UUID(int=fields["alert_id"].int)
    if row["published"] < 1:
        yield AlertRaised(**fields, details=orjson.loads(row["details"]))
    if row["resolved_at"] is not None:
        yield AlertResolved(**fields, details=orjson.loads(row["latest"]), resolved_at=row["resolved_at"])
