"""How long after its call is published a fact can be queried: the broker's append time against polls of the table."""

import asyncio
import time
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaConsumer

from loadtests.bench.http import Answer, Connection
from loadtests.bench.paced import Paced
from loadtests.bench.problems import BenchError
from loadtests.bench.queries import VISIBLE_CALLS
from schemas.calls import LlmCallRecorded
from schemas.topics import LLM_CALLS

POLL_S = 0.005
EVERY = 3
"""Of so many records one is looked for: enough for a quantile, and few enough not to be a load of its own."""
GRACE_S = 10.0
LAST_CALLS_S = 0.5
"""A call is published after its answer: how long to wait for the records of the last ones."""


class Freshness:
    """Follows `llm.calls` and polls `ledger.calls` for a part of the calls.

    `delays` are in seconds, each too long by what a poll takes at most.
    """

    def __init__(self, kafka: str, database_url: str) -> None:
        self._kafka, self._database_url = kafka, database_url
        self._appended_at: dict[UUID, float] = {}
        self._all_sent = False
        self.delays: list[float] = []
        self.answers = 0
        self.errors = 0

    async def run(self, request: bytes, host: str, port: int, *, rate: float, seconds: float) -> None:
        """Raises `BenchError` when calls do not become visible."""
        consumer = AIOKafkaConsumer(LLM_CALLS.name, bootstrap_servers=self._kafka, auto_offset_reset="latest")
        database = await asyncpg.connect(self._database_url)
        await consumer.start()
        tasks: list[asyncio.Task[None]] = []
        try:
            await _positioned(consumer)
            following = asyncio.create_task(self._follow(consumer))
            polling = asyncio.create_task(self._poll(database))
            tasks += following, polling
            await Paced(request, self._answered, rate=rate, seconds=seconds).run(host, port)
            await asyncio.sleep(LAST_CALLS_S)
            following.cancel()
            self._all_sent = True
            await asyncio.wait_for(polling, GRACE_S)
        except TimeoutError:
            raise BenchError(f"{len(self._appended_at)} calls are not in ledger.calls after {GRACE_S:g} s") from None
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await consumer.stop()
            await database.close()

    def _answered(self, _: Connection, answer: Answer) -> None:
        self.answers += 1
        self.errors += answer.status != 200

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        count = 0
        async for record in consumer:
            count += 1
            if count % EVERY == 0:
                call = LlmCallRecorded.model_validate_json(record.value)
                self._appended_at[call.call_id] = record.timestamp / 1000

    async def _poll(self, database: "asyncpg.Connection[asyncpg.Record]") -> None:
        statement = await database.prepare(VISIBLE_CALLS)
        while self._appended_at or not self._all_sent:
            rows = await statement.fetch(list(self._appended_at))
            seen_at = time.time()
            for row in rows:
                self.delays.append(seen_at - self._appended_at.pop(row["call_id"]))
            await asyncio.sleep(POLL_S)


async def _positioned(consumer: AIOKafkaConsumer) -> None:
    """Else records of the first moments are missed: `latest` is found out only when it is asked for."""
    for partition in consumer.assignment():
        await consumer.position(partition)
