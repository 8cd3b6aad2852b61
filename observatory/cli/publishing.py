"""Sends chat requests and, where wanted, waits for the one outcome of each."""

import asyncio
import time
from asyncio import Future
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from uuid import UUID

from aiokafka.structs import RecordMetadata

from observatory.adapters.kafka import Publisher, Unreadable, topic_name
from observatory.adapters.settings import KafkaSettings
from observatory.cli.answers import Outcome, Totals, read_answer
from observatory.cli.following import Follower, follow
from observatory.cli.outside import publisher
from schemas.chat import ChatCompleted, ChatFailed, ChatRequested
from schemas.envelope import event_id, new_traceparent, request_key
from schemas.topics import CHAT_REQUESTS, CHAT_RESPONSES

OnPublished = Callable[[ChatRequested, RecordMetadata], None]
OnOutcome = Callable[[Outcome], None]
_WINDOW = 2_000


class PublishRun:
    """One run of requests through the topics; `on_published` and `on_outcome` hear of each as it happens."""

    def __init__(self, *, on_published: OnPublished, on_outcome: OnOutcome) -> None:
        self._on_published = on_published
        self._on_outcome = on_outcome
        self._pending: dict[tuple[str, UUID], None] = {}
        self._all_sent = False
        self.sent = 0
        self.publish_s = 0.0
        self.totals = Totals()

    @property
    def missing(self) -> list[UUID]:
        """Requests that have been sent and not been answered."""
        return [request_id for _, request_id in self._pending]

    async def send(self, kafka: KafkaSettings, requests: AsyncIterator[ChatRequested]) -> None:
        """Publishes all and returns when the broker has acknowledged them. Raises `Problem`."""
        async with publisher(kafka) as out:
            await self._send(out, requests)

    async def send_and_wait(
        self, kafka: KafkaSettings, requests: AsyncIterator[ChatRequested], *, timeout_s: float
    ) -> None:
        """As `send`; returns when each has its outcome or, after the last was sent, `timeout_s` seconds are over."""
        async with AsyncExitStack() as stack:
            # Positioned before anything is sent: no answer can be missed.
            answers = await stack.enter_async_context(follow(kafka, topic_name(kafka, CHAT_RESPONSES), "end"))
            out = await stack.enter_async_context(publisher(kafka))
            listening = asyncio.create_task(self._listen(answers))
            try:
                await self._send(out, requests)
                await asyncio.wait({listening}, timeout=timeout_s)
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
            if not listening.cancelled():
                listening.result()

    async def _send(self, out: Publisher, requests: AsyncIterator[ChatRequested]) -> None:
        began = time.monotonic()
        window: list[tuple[ChatRequested, Future[RecordMetadata]]] = []
        async for request in requests:
            self._pending[(request.tenant_id, request.request_id)] = None
            window.append((request, await publish_request(out, request)))
            if len(window) >= _WINDOW:
                await self._acknowledged(window)
        await self._acknowledged(window)
        self._all_sent = True
        self.publish_s = time.monotonic() - began

    async def _acknowledged(self, window: list[tuple[ChatRequested, Future[RecordMetadata]]]) -> None:
        for request, future in window:
            self._on_published(request, await future)
            self.sent += 1
        window.clear()

    async def _listen(self, answers: Follower) -> None:
        async for records in answers.batches():
            for record in records:
                try:
                    answer = read_answer(record)
                except Unreadable:
                    continue  # a newer version's event: no outcome that this program could show
                if isinstance(answer, ChatCompleted | ChatFailed):
                    self._outcome(answer)
            if self._all_sent and not self._pending:
                return

    def _outcome(self, outcome: Outcome) -> None:
        key = (outcome.tenant_id, outcome.request_id)
        if key in self._pending:  # the first outcome counts, repeats do not
            del self._pending[key]
            self.totals.add(outcome)
            self._on_outcome(outcome)


async def publish_request(out: Publisher, request: ChatRequested) -> Future[RecordMetadata]:
    """Buffers a request under its own id and key; the future ends when it is acknowledged."""
    ce_id = event_id(request_key(request.tenant_id, request.request_id), ChatRequested.ce_type)
    key = request.conversation_id or str(request.request_id)
    return await out.publish(CHAT_REQUESTS, key, request, ce_id, new_traceparent())
