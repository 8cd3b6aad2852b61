"""Sends chat requests and, where wanted, waits for the one outcome of each."""

import asyncio
import time
from asyncio import Future
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from uuid import UUID

from aiokafka.structs import RecordMetadata

from observatory.adapters.answers import AnswerListener, Away
from observatory.adapters.kafka import Publisher
from observatory.adapters.settings import KafkaSettings
from observatory.cli.answers import Totals
from observatory.cli.outside import kafka_problems, publisher
from observatory.cli.problems import Problem
from observatory.rules.subscription import Outcome
from schemas.chat import ChatRequested
from schemas.envelope import event_id, request_key
from schemas.topics import CHAT_REQUESTS

OnPublished = Callable[[ChatRequested, RecordMetadata], None]
OnOutcome = Callable[[ChatRequested, Outcome], None]
_WINDOW = 2_000


class PublishRun:
    """One run of requests through the topics; `on_published` and `on_outcome` hear of each as it happens."""

    def __init__(self, *, on_published: OnPublished, on_outcome: OnOutcome) -> None:
        self._on_published = on_published
        self._on_outcome = on_outcome
        self._pending: dict[UUID, Future[Outcome]] = {}
        self.sent = 0
        self.publish_s = 0.0
        self.totals = Totals()

    @property
    def missing(self) -> list[UUID]:
        """Requests that have been sent, waited for and not been answered."""
        return list(self._pending)

    async def send(self, kafka: KafkaSettings, requests: AsyncIterator[ChatRequested]) -> None:
        """Publishes all and returns when the broker has acknowledged them. Raises `Problem`."""
        async with publisher(kafka) as out:
            await self._send(out, requests, None)

    async def send_and_wait(
        self, kafka: KafkaSettings, requests: AsyncIterator[ChatRequested], *, timeout_s: float
    ) -> None:
        """As `send`; returns when each has its outcome or, after the last was sent, `timeout_s` seconds are over."""
        async with AsyncExitStack() as stack:
            # Positioned before anything is sent: no answer can be missed.
            answers = await stack.enter_async_context(listening(kafka))
            out = await stack.enter_async_context(publisher(kafka))
            with ExitStack() as waits:
                await self._send(out, requests, (answers, waits))
                if self._pending:
                    await asyncio.wait(self._pending.values(), timeout=timeout_s)
                await asyncio.sleep(0)  # the callbacks of the last futures run before their contexts end

    async def _send(
        self, out: Publisher, requests: AsyncIterator[ChatRequested], waits: tuple[AnswerListener, ExitStack] | None
    ) -> None:
        began = time.monotonic()
        window: list[tuple[ChatRequested, Future[RecordMetadata]]] = []
        async for request in requests:
            if waits:
                self._expect(request, *waits)
            window.append((request, await publish_request(out, request)))
            if len(window) >= _WINDOW:
                await self._acknowledged(window)
        await self._acknowledged(window)
        self.publish_s = time.monotonic() - began

    async def _acknowledged(self, window: list[tuple[ChatRequested, Future[RecordMetadata]]]) -> None:
        for request, future in window:
            self._on_published(request, await future)
            self.sent += 1
        window.clear()

    def _expect(self, request: ChatRequested, answers: AnswerListener, waits: ExitStack) -> None:
        future = waits.enter_context(answers.outcome(request.tenant_id, str(request.request_id)))
        self._pending[request.request_id] = future
        future.add_done_callback(lambda done: self._came(request, done))

    def _came(self, request: ChatRequested, done: Future[Outcome]) -> None:
        if not done.cancelled() and done.exception() is None:
            del self._pending[request.request_id]
            self.totals.add(done.result())
            self._on_outcome(request, done.result())


@asynccontextmanager
async def listening(kafka: KafkaSettings) -> AsyncIterator[AnswerListener]:
    """A listener at the end of `chat.responses`. Raises `Problem` when the broker is away."""
    with kafka_problems(kafka):
        answers = AnswerListener(kafka, "observatory-cli")
        await answers.start()
        try:
            yield answers
        except Away as error:
            raise Problem(str(error)) from error
        finally:
            await answers.stop()


async def publish_request(out: Publisher, request: ChatRequested) -> Future[RecordMetadata]:
    """Buffers a request under its own id and key; the future ends when it is acknowledged."""
    ce_id = event_id(request_key(request.tenant_id, request.request_id), ChatRequested.ce_type)
    key = request.conversation_id or str(request.request_id)
    return await out.publish(CHAT_REQUESTS, key, request, ce_id)
