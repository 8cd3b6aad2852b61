"""A stand-in for the chat worker: reads `chat.requests` and publishes the answers that the request's text asks for.

The last message steers it: `text=…` is the answer, `pieces=N` how a stream is cut, `fail=code` fails it, `silent`
answers nothing, `restart=N` begins again after N pieces.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeAlias, TypedDict
from uuid import UUID

from aiokafka import TopicPartition
from aiokafka.structs import RecordMetadata

from observatory.adapters.kafka import Publisher, Record, Unreadable, new_consumer, read_event, topic_name
from observatory.adapters.settings import KafkaSettings
from observatory.rules.subscription import Answer
from schemas.calls import Latency, Usage
from schemas.chat import (
    BudgetLeft,
    ChatCompleted,
    ChatDelta,
    ChatError,
    ChatFailed,
    ChatRequested,
    ChatRestarted,
    Message,
)
from schemas.envelope import event_id, request_key
from schemas.topics import CHAT_REQUESTS, CHAT_RESPONSES

Script: TypeAlias = dict[str, str]
USAGE = Usage(uncached_input_tokens=7, cache_read_tokens=3, output_tokens=5, reasoning_tokens=2)
COST = Decimal("0.00000325")
RESETS_AT = datetime(2030, 1, 1, tzinfo=UTC)


class Responder:
    """Answers every request once it is started; `requests` are those that it has read."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._publisher = Publisher(kafka, "test-responder")
        self._task: asyncio.Task[None] | None = None
        self.requests: list[ChatRequested] = []
        self.unreadable: list[str] = []

    async def start(self) -> None:
        """Positions itself at the end of the topic."""
        await self._publisher.start()
        self._consumer = new_consumer(self._kafka, "test-responder")
        await self._consumer.start()
        partitions = [
            TopicPartition(topic_name(self._kafka, CHAT_REQUESTS), p) for p in range(CHAT_REQUESTS.partitions)
        ]
        self._consumer.assign(partitions)
        for partition, offset in (await self._consumer.end_offsets(partitions)).items():
            self._consumer.seek(partition, offset)
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Disconnects."""
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._consumer.stop()
        await self._publisher.stop()

    async def heard(self, request_id: UUID) -> ChatRequested:
        """The request of that id, once it is there."""
        while True:
            for request in self.requests:
                if request.request_id == request_id:
                    return request
            await asyncio.sleep(0.01)

    async def send(self, answer: Answer) -> RecordMetadata:
        """Publishes one answer by hand."""
        return await (await self._buffer(answer))

    async def _run(self) -> None:
        while True:
            for records in (await self._consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    await self._answer(record)

    async def _answer(self, record: Record) -> None:
        try:
            _, request = read_event(record, ChatRequested)
        except Unreadable as error:
            self.unreadable.append(str(error))
            return
        self.requests.append(request)
        for answer in answers_to(request):
            await self._buffer(answer)

    async def _buffer(self, answer: Answer) -> asyncio.Future[RecordMetadata]:
        parts: tuple[int, ...] = ()
        if isinstance(answer, ChatDelta):
            parts = (answer.attempt, answer.seq)
        elif isinstance(answer, ChatRestarted):
            parts = (answer.attempt,)
        ce_id = event_id(request_key(answer.tenant_id, answer.request_id), answer.ce_type, *parts)
        key = answer.conversation_id or str(answer.request_id)
        return await self._publisher.publish(CHAT_RESPONSES, key, answer, ce_id)


def answers_to(request: ChatRequested) -> Iterator[Answer]:
    """What the request's last message asks for."""
    script = _script(request)
    if "silent" in script:
        return
    text = script.get("text", "Hello there")
    attempt = 1
    if request.stream:
        count = int(script.get("pieces", "4"))
        if "restart" in script:
            yield from list(deltas(request, 1, text, count))[: int(script["restart"])]
            attempt = 2
            yield restarted(request, 2)
        yield from deltas(request, attempt, text, count)
    if "fail" in script:
        yield failed(request, script["fail"])
    else:
        yield completed(request, text, attempt)


def completed(request: ChatRequested, text: str, attempts: int = 1) -> ChatCompleted:
    """A good outcome."""
    return ChatCompleted(
        **_who(request),
        message=Message(role="assistant", content=text),
        finish_reason="stop",
        provider="sim-openai",
        model=f"{request.model}-2024-07-18",
        usage=USAGE,
        cost_usd=COST,
        cost_state="settled",
        attempts=attempts,
        latency=Latency(queue_ms=1.0, policy_ms=1.0, ttft_ms=1.0, total_ms=2.0),
        completed_at=datetime.now(UTC),
        provider_fields={"id": "x", "system_fingerprint": "fp_test"},
    )


def failed(request: ChatRequested, code: str) -> ChatFailed:
    """A bad outcome."""
    budget = None
    if code == "budget_exceeded":
        budget = BudgetLeft(budget_id="b", limit_usd=Decimal(5), left_usd=Decimal("0.000001"), resets_at=RESETS_AT)
    error = ChatError(code=code, message=f"it failed: {code}", retryable=code == "rate_limited", budget=budget)
    return ChatFailed(**_who(request), error=error, attempts=1, cost_usd=Decimal(0), failed_at=datetime.now(UTC))


def restarted(request: ChatRequested, attempt: int) -> ChatRestarted:
    """What was shown is void."""
    return ChatRestarted(**_who(request), attempt=attempt, reason="cut")


def deltas(request: ChatRequested, attempt: int, text: str, count: int) -> Iterator[ChatDelta]:
    """A text in so many pieces."""
    size = -(-len(text) // max(count, 1))
    for seq in range(count):
        piece = text[seq * size : (seq + 1) * size]
        yield ChatDelta(**_who(request), attempt=attempt, seq=seq, text=piece)


class _Who(TypedDict):
    request_id: UUID
    tenant_id: str
    conversation_id: str | None


def _who(request: ChatRequested) -> _Who:
    return _Who(request_id=request.request_id, tenant_id=request.tenant_id, conversation_id=request.conversation_id)


def _script(request: ChatRequested) -> Script:
    content = request.messages[-1].content
    words = content.split(" ; ") if isinstance(content, str) else []
    return {name: value for name, _, value in (word.partition("=") for word in words)}
