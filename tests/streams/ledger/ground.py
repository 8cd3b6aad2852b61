"""Empty tables and topics of a test's own on the shared stack, and the ledger on them, as a task or as a process."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

from aiokafka import AIOKafkaConsumer

from observatory.adapters.kafka import Record, create_topics, new_consumer, new_producer, topic_name
from observatory.adapters.postgres.pool import Pool, open_pool
from observatory.adapters.settings import KafkaSettings, Settings
from schemas.topics import LLM_CALLS
from streams.ledger.__main__ import SINK, main
from tests import forking
from tests.databases import new_database, new_empty_database
from tests.forking import Program
from tests.streams.ledger.calls import CE_TYPE, TOKENS, Body, Sums, encode

PATIENCE_S = 40.0

__all__ = ["Ground", "new_database", "new_empty_database", "new_ground"]

_SUM_TOKENS = ", ".join(f"coalesce(sum({name}), 0)::bigint" for name in TOKENS)


@dataclass(frozen=True)
class Ground:
    """One test's Kafka topics and database."""

    settings: Settings
    pool: Pool

    @property
    def topic(self) -> str:
        return topic_name(self.settings.kafka, LLM_CALLS)

    async def produce(
        self, values: Iterable[Body | bytes], partition: int | None = None, ce_type: bytes = CE_TYPE[1]
    ) -> None:
        """Appends records in this order; without a partition spread over all, in order within one call's."""
        producer = new_producer(self.settings.kafka, "test", linger_ms=5)
        await producer.start()
        sent = []
        for value in values:
            key = value["call_id"] if isinstance(value, dict) else b""
            sent.append(
                await producer.send(
                    self.topic,
                    encode(value) if isinstance(value, dict) else value,
                    key=str(key).encode(),
                    partition=partition,
                    headers=[("ce_type", ce_type)],
                )
            )
        await asyncio.gather(*sent)
        await producer.stop()

    @asynccontextmanager
    async def _reader(self, topic: str) -> AsyncIterator[tuple[AIOKafkaConsumer, int]]:
        """A consumer at a topic's start, and the sum of the offsets at which its partitions end now."""
        consumer = new_consumer(self.settings.kafka, "test")
        await consumer.start()
        consumer.subscribe([topic])
        await self.until(lambda: _true(consumer.assignment()))
        try:
            yield consumer, sum((await consumer.end_offsets(list(consumer.assignment()))).values())
        finally:
            await consumer.stop()

    async def dead_letters(self) -> list[Record]:
        async with self._reader(self.settings.kafka.topic_prefix + LLM_CALLS.dlq) as (consumer, count):
            found: list[Record] = []
            while len(found) < count:
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    found += records
            return found

    async def until_applied(self) -> None:
        """Returns when all that is in the topic now is applied."""
        async with self._reader(self.topic) as (_, end):
            await self.until(lambda: self._applied(end))

    async def _applied(self, end: int) -> bool:
        applied: int | None = await self.pool.fetchval(
            """SELECT sum(next_offset)::bigint FROM (
                 SELECT DISTINCT ON (part) next_offset FROM ledger.sink_offsets
                  WHERE sink = $1 ORDER BY part, log_epoch DESC) AS newest""",
            SINK,
        )
        return applied == end

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not await condition():  # noqa: ASYNC110  # what is waited for happens in other processes
                await asyncio.sleep(0.05)

    async def rollups(self) -> Sums:
        """As `expected_sums`, from the rollups; cells that were emptied are left out."""
        return await self._sums(
            f"""SELECT bucket, tenant_id, provider, model, operation, sum(calls)::bigint, sum(errors)::bigint,
                sum(unpriced_calls)::bigint, {_SUM_TOKENS}, sum(cost_usd) FROM ledger.rollup_1m
                GROUP BY 1, 2, 3, 4, 5 HAVING sum(calls) <> 0 OR sum(cost_usd) <> 0 OR sum(output_tokens) <> 0"""
        )

    async def facts(self) -> Sums:
        """As `expected_sums`, from the facts."""
        return await self._sums(
            f"""SELECT date_trunc('minute', started_at), tenant_id, provider, coalesce(response_model, request_model),
                operation, count(*), count(*) FILTER (WHERE status = 'error'), count(*) FILTER (WHERE cost_usd IS NULL),
                {_SUM_TOKENS}, coalesce(sum(cost_usd), 0) FROM ledger.calls GROUP BY 1, 2, 3, 4, 5"""
        )

    async def _sums(self, query: str) -> Sums:
        return {tuple(row)[:5]: tuple(row)[5:] for row in await self.pool.fetch(query)}

    @asynccontextmanager
    async def ledger(self, group: str = SINK) -> AsyncIterator[None]:
        """The ledger as a task; stopped at the end, and whatever it raised is raised.

        In another consumer group it reads the same partitions as the first: two owners at once.
        """
        stop = asyncio.Event()
        task = asyncio.create_task(main(self.settings, stop, group))
        try:
            yield
        finally:
            stop.set()
            await task

    def ledger_process(self) -> Program:
        """The ledger as a process, which the test has to end."""
        return forking.start("streams.ledger", self._environment())

    def _environment(self) -> Mapping[str, str]:
        return {
            **os.environ,
            "OBSERVATORY_KAFKA": self.settings.kafka.bootstrap,
            "OBSERVATORY_TOPIC_PREFIX": self.settings.kafka.topic_prefix,
            "OBSERVATORY_DATABASE_URL": self.settings.database_url,
            "OBSERVATORY_LOG_LEVEL": "WARNING",
            "OBSERVATORY_INSTANCE": "ledger-test",
        }


async def _true(value: object) -> bool:
    return bool(value)


@asynccontextmanager
async def new_ground(kafka: str, database_url: str) -> AsyncIterator[Ground]:
    """Fresh topics, and empty tables in a database that no other test uses at the same time."""
    prefix = f"{uuid4().hex[:12]}."
    own = KafkaSettings().model_copy(update={"bootstrap": kafka, "topic_prefix": prefix})
    settings = Settings().model_copy(update={"database_url": database_url, "kafka": own})
    await create_topics(own)
    pool = await open_pool(database_url, size=2, application="test")
    try:
        await pool.execute(
            """TRUNCATE ledger.calls, ledger.rollup_1m, ledger.sink_offsets, ledger.adjustments, ledger.rolled,
               ledger.rollup_1h, ledger.rollup_1d, ledger.rollup_1d_by, ledger.rollup_1h_totals,
               ledger.rollup_1d_totals, ledger.rollup_1h_by, ledger.rollup_1h_parts, ledger.rollup_1d_parts,
               ledger.rollup_1d_users, ledger.rollup_1w_users, ledger.waste_1d"""
        )
        yield Ground(settings, pool)
    finally:
        await pool.close()
