"""A way from locust's greenlets to Kafka: one producer and one consumer a process, on an asyncio loop of their own.

locust replaces threads, sockets and selectors by gevent's, which asyncio's own loop does not survive. So the loop is
uvloop's, which needs none of them, in a real thread of gevent's pool; what it learns comes back through gevent's own
signal between threads. A greenlet that waits holds up neither the others nor the loop.
"""

import asyncio
import json
from collections import deque
from dataclasses import dataclass

import gevent  # type: ignore[import-untyped]  # it ships no types
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError
from gevent.event import AsyncResult  # type: ignore[import-untyped]  # as above
from gevent.threadpool import ThreadPool  # type: ignore[import-untyped]  # as above

from schemas.chat import ChatCompleted, ChatFailed, ChatRequested
from schemas.topics import CHAT_REQUESTS, CHAT_RESPONSES

START_S = 30.0
_READY = "ready"
_OUTCOMES = {ChatCompleted.ce_type.encode(): True, ChatFailed.ce_type.encode(): False}


class NotAnswered(Exception):
    """A request could not be published or had no outcome in time; the message says which."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back: the body of `chat.completed` or of `chat.failed`."""

    completed: bool
    body: bytes


class Bridge:
    """Publishes requests and hands each outcome to the greenlet that waits for it."""

    def __init__(self, bootstrap: str, topic_prefix: str) -> None:
        """Returns when what is published can be answered. Raises `NotAnswered` when the broker is away."""
        self._bootstrap, self._prefix = bootstrap, topic_prefix
        self._waiting: dict[str, AsyncResult] = {_READY: AsyncResult()}
        self._arrived: deque[tuple[str, Outcome | NotAnswered | None]] = deque()
        self._signal = gevent.get_hub().loop.async_()
        self._signal.start(self._hand_over)
        self._loop = uvloop.new_event_loop()
        self._sending: set[asyncio.Task[None]] = set()
        self._thread = ThreadPool(1).spawn(self._loop.run_until_complete, self._serve())
        self._wait_for(_READY, START_S)

    def ask(self, request: ChatRequested, timeout_s: float) -> Outcome:
        """Publishes a request and waits for its outcome. Raises `NotAnswered`."""
        request_id = str(request.request_id)
        self._waiting[request_id] = AsyncResult()
        key, body = (request.conversation_id or request_id).encode(), request.to_json()
        self._loop.call_soon_threadsafe(self._begin_sending, request_id, key, body)
        outcome = self._wait_for(request_id, timeout_s)
        assert outcome is not None
        return outcome

    def _wait_for(self, name: str, timeout_s: float) -> Outcome | None:
        try:
            outcome: Outcome | None = self._waiting[name].get(timeout=timeout_s)
        except gevent.Timeout:
            raise NotAnswered(f"nothing was heard for {timeout_s:g} s") from None
        finally:
            del self._waiting[name]
        return outcome

    def _hand_over(self) -> None:
        """In the hub of the greenlets: wakes those that wait for what has arrived."""
        while self._arrived:
            name, result = self._arrived.popleft()
            waiting = self._waiting.get(name)
            if waiting is None:
                continue  # another client's, or too late
            if isinstance(result, NotAnswered):
                waiting.set_exception(result)
            else:
                waiting.set(result)

    # What follows runs on the loop, in its thread.

    async def _serve(self) -> None:
        try:
            await self._connect_and_listen()
        except KafkaError as error:
            problem = NotAnswered(f"Kafka at {self._bootstrap}: {error!r}")
            for name in tuple(self._waiting):
                self._report(name, problem)

    async def _connect_and_listen(self) -> None:
        self._producer = AIOKafkaProducer(bootstrap_servers=self._bootstrap, acks="all", enable_idempotence=True)
        topic = self._prefix + CHAT_RESPONSES.name
        consumer = AIOKafkaConsumer(topic, bootstrap_servers=self._bootstrap, auto_offset_reset="latest")
        try:
            await self._producer.start()
            await consumer.start()
            for partition in consumer.assignment():
                await consumer.position(partition)  # else it is found out after the first answers
            self._report(_READY, None)
            async for record in consumer:
                completed = _OUTCOMES.get(dict(record.headers).get("ce_type", b""))
                if completed is not None and record.value is not None:
                    self._report(json.loads(record.value)["request_id"], Outcome(completed, record.value))
        finally:
            await consumer.stop()
            await self._producer.stop()

    def _begin_sending(self, request_id: str, key: bytes, body: bytes) -> None:
        task = self._loop.create_task(self._send(request_id, key, body))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _send(self, request_id: str, key: bytes, body: bytes) -> None:
        try:
            await self._producer.send_and_wait(self._prefix + CHAT_REQUESTS.name, body, key=key)
        except KafkaError as error:
            self._report(request_id, NotAnswered(f"not published: {error!r}"))

    def _report(self, name: str, result: Outcome | NotAnswered | None) -> None:
        self._arrived.append((name, result))
        self._signal.send()
