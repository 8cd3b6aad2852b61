"""Publishes what the journal holds: each revision of a call, the one outcome of a request.

It is sent right after its commit. What a crash or the broker keeps us from sending stays open in the journal, and the
sweeper of any chat worker sends it; the same event has the same id, so a repeat changes nothing.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from aiokafka.structs import RecordMetadata
from asyncpg import Record

from observatory.adapters.kafka import Publisher
from observatory.adapters.postgres.group_commit import GroupCommit
from observatory.adapters.postgres.journal import Journal, RequestKey
from observatory.rules.attempts import published_record
from schemas.base import Event
from schemas.calls import LlmCallRecorded
from schemas.chat import ChatCompleted, ChatFailed
from schemas.envelope import event_id, request_key
from schemas.topics import CHAT_RESPONSES, LLM_CALLS

Sent = asyncio.Future[RecordMetadata]
"""Ends when the broker has acknowledged a record."""

MARK_EVERY_S = 0.1
"""Marks that are not written yet when a worker dies cost one repeat each, which everybody drops; few are cheap."""


class Outbox:
    """Sends calls and outcomes and notes in the journal that they were acknowledged."""

    def __init__(self, journal: Journal, publisher: Publisher) -> None:
        self._journal, self._publisher = journal, publisher
        self._published_calls: GroupCommit[tuple[UUID, int], None] = GroupCommit(
            "mark calls", self._mark_calls, rest_s=MARK_EVERY_S
        )
        self._published_outcomes: GroupCommit[RequestKey, None] = GroupCommit(
            "mark outcomes", self._mark_outcomes, rest_s=MARK_EVERY_S
        )

    async def send_call(
        self, call_id: UUID, revision: int, started_at: datetime, record: str, key: str, traceparent: str | None
    ) -> Sent:
        """Sends one revision of a call. It, or the future, raises `KafkaError` when the broker does not take it."""
        body = published_record(record, revision, started_at)
        ce_id = event_id(call_id, LlmCallRecorded.ce_type, revision)
        sent = await self._publisher.publish_bytes(LLM_CALLS, key, LlmCallRecorded, body, ce_id, traceparent)
        return _then(sent, lambda: self._published_calls.submit((call_id, revision)))

    async def send_outcome(self, request: RequestKey, state: str, body: str, key: str, traceparent: str | None) -> Sent:
        """Sends the outcome of a request. It, or the future, raises `KafkaError` when the broker does not take it."""
        sent = await self._repeat(request, state, body, key, traceparent)
        return _then(sent, lambda: self._published_outcomes.submit(request))

    async def repeat_outcome(
        self, request: RequestKey, state: str, body: str, key: str, traceparent: str | None
    ) -> None:
        """Answers a request that was sent again with what it was answered before."""
        await (await self._repeat(request, state, body, key, traceparent))

    async def sweep(self, older_than: timedelta) -> None:
        """Sends what has waited that long for a worker that is gone.

        Raises an `ExceptionGroup` of what could not be sent; one that the broker refuses keeps no other back.
        """
        calls, outcomes = await self._journal.unpublished(older_than)
        sends = [self.send_call(*(row[name] for name in _CALL_COLUMNS)) for row in calls]
        sends += [self._swept_outcome(row) for row in outcomes]
        results = await asyncio.gather(*map(_acknowledged, sends), return_exceptions=True)
        if errors := [result for result in results if isinstance(result, Exception)]:
            raise ExceptionGroup("not published", errors)

    async def drain(self) -> None:
        """Waits until the journal knows what was sent."""
        await self._published_calls.drain()
        await self._published_outcomes.drain()

    async def _swept_outcome(self, row: Record) -> Sent:
        key = (row["tenant_id"], row["request_id"])
        return await self.send_outcome(key, row["state"], row["outcome"], row["record_key"], row["traceparent"])

    async def _repeat(self, request: RequestKey, state: str, body: str, key: str, traceparent: str | None) -> Sent:
        event: type[Event] = ChatCompleted if state == "completed" else ChatFailed
        ce_id = event_id(request_key(*request), event.ce_type)
        return await self._publisher.publish_bytes(CHAT_RESPONSES, key, event, body.encode(), ce_id, traceparent)

    async def _mark_calls(self, revisions: Sequence[tuple[UUID, int]]) -> list[None]:
        # One row may stand once only in a statement: of two revisions of a call the higher says it all.
        highest = dict(sorted(revisions, key=lambda entry: entry[1]))
        await self._journal.mark_calls_published(highest.items())
        return [None] * len(revisions)

    async def _mark_outcomes(self, keys: Sequence[RequestKey]) -> list[None]:
        await self._journal.mark_outcomes_published(set(keys))
        return [None] * len(keys)


async def _acknowledged(sending: Coroutine[None, None, Sent]) -> None:
    await (await sending)


def _then(sent: Sent, note: Callable[[], object]) -> Sent:
    """Has `note` called once the broker has acknowledged it."""

    def acknowledged(future: Sent) -> None:
        if not future.cancelled() and future.exception() is None:
            note()

    sent.add_done_callback(acknowledged)
    return sent


_CALL_COLUMNS = ("call_id", "revision", "started_at", "record", "record_key", "traceparent")
