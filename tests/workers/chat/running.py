"""Chat workers as processes, a client that hears everything they say, and the books to compare with the provider's."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.partitioner import DefaultPartitioner

from observatory.adapters.kafka import Publisher, Record, create_topics, new_consumer, new_producer, topic_name
from observatory.adapters.postgres.setup import set_up
from observatory.adapters.settings import KafkaSettings
from schemas.calls import LlmCallRecorded
from schemas.chat import ChatCompleted, ChatDelta, ChatFailed, ChatRequested, ChatRestarted, Message
from schemas.envelope import call_id
from schemas.topics import CHAT_REQUESTS, CHAT_RESPONSES, LLM_CALLS
from tests import forking
from tests.databases import MIGRATIONS
from tests.simulator import Simulator
from tests.stack import LiveStack

PATIENCE_S = 40.0
SHORT_LEASES = {
    "OBSERVATORY_CHAT_LEASE_S": "2",
    "OBSERVATORY_CHAT_RENEW_S": "0.5",
    "OBSERVATORY_CHAT_SWEEP_S": "0.5",
    "OBSERVATORY_CHAT_DRAIN_S": "2",
}

Outcome = ChatCompleted | ChatFailed
EVENTS = {event.ce_type: event for event in (ChatCompleted, ChatFailed, ChatDelta, ChatRestarted)}


@dataclass
class Heard:
    """What was published about one request, in order, repeats included; `ids` are the outcomes' ce_ids."""

    deltas: list[ChatDelta] = field(default_factory=list)
    restarts: list[ChatRestarted] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)

    def text(self) -> str:
        """What a reader of the stream has seen in the end: the pieces of the last attempt."""
        last = max((delta.attempt for delta in self.deltas), default=0)
        return "".join({d.seq: d.text for d in self.deltas if d.attempt == last}.values())


class Books:
    """Requests sent and everything heard since: `heard` by request, `calls` the highest revision by call."""

    def __init__(self, kafka: KafkaSettings, database_url: str, simulator: Simulator) -> None:
        self.kafka, self.database_url, self._simulator = kafka, database_url, simulator
        self._publisher = Publisher(kafka, "test-client")
        self._raw = new_producer(kafka, "test-client-raw")
        self._changed = asyncio.Condition()
        self.heard: dict[UUID, Heard] = {}
        self.calls: dict[UUID, LlmCallRecorded] = {}
        self.dead: list[tuple[bytes | None, str]] = []
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listens from the oldest record on."""
        await self._publisher.start()
        await self._raw.start()
        self._consumer: AIOKafkaConsumer = new_consumer(self.kafka, "test-client")
        await self._consumer.start()
        self.dlq = self.kafka.topic_prefix + CHAT_REQUESTS.dlq
        partitions = [
            TopicPartition(topic_name(self.kafka, t), p) for t in (CHAT_RESPONSES, LLM_CALLS) for p in range(8)
        ]
        self._consumer.assign([*partitions, TopicPartition(self.dlq, 0)])
        self._database = await asyncpg.create_pool(self.database_url, min_size=1, max_size=2)
        self._task = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        """Disconnects."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
        for part in (self._consumer, self._publisher, self._raw):
            await part.stop()
        await self._database.close()

    async def send(self, request: ChatRequested, key: str | None = None) -> UUID:
        """Publishes a request; returns its id once the broker has it."""
        record_key = key or request.conversation_id or str(request.request_id)
        await (await self._publisher.publish(CHAT_REQUESTS, record_key, request, uuid4()))
        return request.request_id

    async def send_all(self, requests: Iterable[ChatRequested]) -> list[UUID]:
        """Publishes many at once."""
        return list(await asyncio.gather(*(self.send(request) for request in requests)))

    async def send_raw(
        self, value: bytes | None, *, partition: int = 0, headers: dict[str, bytes] | None = None
    ) -> None:
        """Puts bytes on `chat.requests`."""
        name, pairs = topic_name(self.kafka, CHAT_REQUESTS), list((headers or {}).items())
        batch = self._raw.create_batch()  # takes what `send` refuses: neither key nor value
        batch.append(key=None, value=value, timestamp=None, headers=pairs)
        await (await self._raw.send_batch(batch, name, partition=partition))

    async def until(self, condition: Callable[[], bool], what: str, timeout_s: float = PATIENCE_S) -> None:
        """Waits until what was heard makes the condition true."""
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(condition)
        except TimeoutError:
            raise AssertionError(f"not within {timeout_s} s: {what}") from None

    async def outcome(self, request_id: UUID, timeout_s: float = PATIENCE_S) -> Outcome:
        """The outcome of a request."""
        return (await self.outcomes([request_id], timeout_s))[0]

    async def outcomes(self, request_ids: list[UUID], timeout_s: float = PATIENCE_S) -> list[Outcome]:
        """The outcome of each."""

        def all_there() -> bool:
            return all(r in self.heard and self.heard[r].outcomes for r in request_ids)

        try:
            await self.until(all_there, "outcomes", timeout_s)
        except AssertionError:
            missing = [r for r in request_ids if r not in self.heard or not self.heard[r].outcomes]
            raise AssertionError(f"{len(missing)} of {len(request_ids)} have no outcome: {missing[:5]}") from None
        return [self.heard[r].outcomes[0] for r in request_ids]

    def of(self, request_id: UUID) -> Heard:
        """What was heard of a request."""
        return self.heard.setdefault(request_id, Heard())

    def calls_of(self, request_id: UUID) -> list[LlmCallRecorded]:
        """Its attempts as `llm.calls` tells them."""
        return sorted((c for c in self.calls.values() if c.request_id == request_id), key=lambda c: c.attempt)

    async def rows(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Asks the database."""
        return list(await self._database.fetch(query, *arguments))

    def bill(self, request_ids: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
        """The provider's bill of these requests: the last line of each call."""
        wanted, lines = {str(r) for r in request_ids}, {}
        for text in self._simulator.bill_path.read_bytes().splitlines():
            line = json.loads(text)
            if line["request_id"] in wanted:
                lines[UUID(line["call_id"])] = line
        return lines

    async def settled(self, request_ids: list[UUID]) -> None:
        """Waits until the journal has published everything about these requests and all of it was heard."""

        async def nothing_open() -> bool:
            calls = "SELECT call_id, revision, open FROM journal.attempts WHERE request_id = ANY ($1)"
            rows = await self.rows(calls, request_ids)
            requests = await self.rows("SELECT open FROM journal.requests WHERE request_id = ANY ($1)", request_ids)
            heard = (self.calls.get(row["call_id"]) for row in rows)
            told = all(call and call.revision >= row["revision"] for call, row in zip(heard, rows, strict=True))
            return told and not any(row["open"] for row in [*rows, *requests])

        await until(nothing_open, "everything published")

    async def agree(self, request_ids: list[UUID]) -> dict[UUID, dict[str, Any]]:
        """One outcome a request; journal, `llm.calls` and the provider's bill name the same calls, at the same cost
        where it is settled. Returns the bill."""
        await self.settled(request_ids)
        for request_id in request_ids:
            assert len(self.of(request_id).ids) == 1, f"{request_id}: {self.of(request_id)}"
            assert len({o.to_json() for o in self.of(request_id).outcomes}) == 1
        bill = self.bill(request_ids)
        rows = await self.rows(
            "SELECT call_id, status, cost_usd, cost_state FROM journal.attempts WHERE request_id = ANY ($1)",
            request_ids,
        )
        made = {row["call_id"] for row in rows if row["status"] != "not_sent"}
        lost = {row["call_id"] for row in rows if row["status"] == "unknown"}
        assert set(bill) <= made, "calls on the bill that the journal does not know"
        assert made - lost <= set(bill), "calls in the journal that were never made"
        for row in rows:
            call = self.calls[row["call_id"]]
            assert (call.cost_usd, call.cost_state, call.status) == (row["cost_usd"], row["cost_state"], row["status"])
            if row["cost_state"] == "settled" and row["status"] != "not_sent":
                assert call.cost_usd == Decimal(bill[row["call_id"]]["cost_usd"]), bill[row["call_id"]]
        return bill

    async def _listen(self) -> None:
        while True:
            batches = await self._consumer.getmany(timeout_ms=500)
            async with self._changed:
                for records in batches.values():
                    for record in records:
                        self._hear(record)
                self._changed.notify_all()

    def _hear(self, record: Record) -> None:
        headers = dict(record.headers)
        if record.topic == self.dlq:
            self.dead.append((record.value, headers["dlq_reason"].decode()))
            return
        assert record.value is not None
        if record.topic == topic_name(self.kafka, LLM_CALLS):
            call = LlmCallRecorded.model_validate_json(record.value)
            if call.call_id not in self.calls or self.calls[call.call_id].revision < call.revision:
                self.calls[call.call_id] = call
            return
        event = EVENTS[headers["ce_type"].decode()].model_validate_json(record.value)
        heard = self.of(event.request_id)
        if isinstance(event, ChatDelta):
            heard.deltas.append(event)
        elif isinstance(event, ChatRestarted):
            heard.restarts.append(event)
        else:
            heard.outcomes.append(event)
            heard.ids.add(headers["ce_id"].decode())


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Asks again and again until the condition is true."""
    end = time.monotonic() + PATIENCE_S
    while not await condition():
        assert time.monotonic() < end, f"not within {PATIENCE_S} s: {what}"
        await asyncio.sleep(0.02)


async def _true(value: bool) -> bool:
    return value


class Worker:
    """One chat worker process."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = {**os.environ, **environment}
        self.log = Path(tempfile.mkstemp(prefix="chat-worker-", suffix=".log")[1])
        self.start()

    def start(self) -> None:
        """Starts it, again with the same settings."""
        with self.log.open("ab") as log:
            self.process = forking.start("workers.chat", self._environment, log.fileno())

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal."""
        self.process.send_signal(number)

    async def kill_and_restart(self) -> None:
        """kill -9, and again the same."""
        await self.kill()
        self.start()

    async def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        await asyncio.to_thread(self.process.wait, 10)

    async def stop(self, timeout_s: float = 30) -> int:
        """SIGTERM; returns the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                await asyncio.to_thread(self.process.wait, timeout_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise AssertionError(f"the worker did not stop: {self.log.read_text()[-2000:]}") from None
        code = self.process.poll()
        assert code is not None
        return code

    def exceptions(self) -> list[str]:
        """Exceptions that it logged or died of; a client library's own about a lost connection are none."""
        found = []
        for line in self.log.read_text().splitlines():
            entry = json.loads(line) if line.startswith("{") else {"exception": line, "logger": ""}
            if "exception" in entry and not entry["logger"].startswith(("asyncpg", "aiokafka")):
                found.append(entry["exception"])
        return found

    async def ready(self) -> None:
        """Waits until it says so."""
        await until(lambda: _true('"message":"ready"' in self.log.read_text()), "a worker that is ready")


@dataclass
class Place:
    """Topics of a prefix of their own, the shared database and a simulator; workers are started here."""

    books: Books
    simulator: Simulator
    environment: dict[str, str]
    workers: list[Worker] = field(default_factory=list)

    def worker(self, **settings: str) -> Worker:
        """Starts one more worker."""
        worker = Worker({**self.environment, **settings})
        self.workers.append(worker)
        return worker


@asynccontextmanager
async def place(stack: LiveStack, simulator: Simulator, prefix: str) -> AsyncIterator[Place]:
    """Ends what was started in it (a worker that had just begun dies of SIGTERM); none may have logged an exception."""
    prefix = f"{prefix}{uuid4().hex[:6]}."
    kafka = KafkaSettings(OBSERVATORY_KAFKA=stack.kafka, OBSERVATORY_TOPIC_PREFIX=prefix)
    await set_up(stack.database_url, MIGRATIONS)
    await create_topics(kafka)
    books = Books(kafka, stack.database_url, simulator)
    await books.start()
    environment = {
        "OBSERVATORY_KAFKA": stack.kafka,
        "OBSERVATORY_TOPIC_PREFIX": prefix,
        "OBSERVATORY_DATABASE_URL": stack.database_url,
        "OBSERVATORY_SIMULATOR_URL": simulator.url,
        **SHORT_LEASES,
    }
    here = Place(books, simulator, environment)
    try:
        yield here
        codes = await asyncio.gather(*(worker.stop() for worker in here.workers))
        assert all(code in (0, -signal.SIGKILL, -signal.SIGTERM) for code in codes)
        for worker in here.workers:
            assert worker.exceptions() == []
            worker.log.unlink()
    finally:
        for worker in here.workers:
            worker.process.kill()
        await books.stop()


def ask(text: str = "Hello there", **fields: Any) -> ChatRequested:
    """A request of its own id to the simulator; `fields` over the usual ones."""
    usual: dict[str, Any] = {"request_id": uuid4(), "model": "gpt-4o-mini", "provider": "sim-openai"}
    messages = [Message(role="user", content=text)]
    return ChatRequested(**{**usual, "messages": messages, **fields})


def first_call(request: ChatRequested, attempt: int = 1) -> UUID:
    """The id of an attempt."""
    return call_id(request.tenant_id, request.request_id, attempt)


def partition_of(key: str, partitions: int = 8) -> int:
    """Where a record with that key lands."""
    return int(DefaultPartitioner()(key.encode(), list(range(partitions)), list(range(partitions))))


def in_ms(milliseconds: float) -> datetime:
    """A moment from now."""
    return datetime.fromtimestamp(datetime.now(UTC).timestamp() + milliseconds / 1000, UTC)
