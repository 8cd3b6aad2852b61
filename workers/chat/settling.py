"""Settles what is known of a call and, with it or alone, the one outcome of a request, in one commit; sends both."""

import asyncio
import logging
import time
from datetime import UTC, datetime

import orjson
from aiokafka.errors import KafkaError

from observatory.adapters.postgres.group_commit import GroupCommit
from observatory.adapters.postgres.journal import CallSettlement, Journal, Outcome, Settled, Settlement
from observatory.adapters.providers.base import LLMProvider
from observatory.rules.attempts import AttemptResult, record_json, total_cost
from schemas.calls import Latency
from schemas.chat import ChatCompleted, ChatError, ChatFailed, Message
from schemas.topics import MAX_RECORD_BYTES
from workers.chat.attempt import Answered
from workers.chat.metrics import ATTEMPTS, OUTCOMES
from workers.chat.outbox import Outbox
from workers.chat.work import Work, error

log = logging.getLogger(__name__)


class Settler:
    """The only place that writes ends. `complete` and `fail` return False when the epoch was lost: not our outcome."""

    def __init__(self, journal: Journal, outbox: Outbox) -> None:
        self._outbox = outbox
        self._commits: GroupCommit[Settlement, Settled] = GroupCommit("settle", journal.settle)

    async def attempt(self, work: Work, provider: LLMProvider, result: AttemptResult) -> None:
        """An attempt ended; the request goes on."""
        await self._settle(work, _call(work, provider, result), None)
        _count(work, provider, result)

    async def complete(self, work: Work, provider: LLMProvider, answered: Answered) -> bool:
        """The request has its answer."""
        result, answer, message = answered.result, answered.answer, answered.message
        call = _call(work, provider, result)
        _count(work, provider, result)
        cost_usd, cost_state = total_cost(work.costs)
        request = work.request
        completed = ChatCompleted(
            request_id=request.request_id,
            tenant_id=request.tenant_id,
            conversation_id=request.conversation_id,
            message=message,
            finish_reason=answer.finish_reason,
            provider=provider.name,
            model=answer.response_model,
            usage=result.usage,
            cost_usd=cost_usd,
            cost_state=cost_state,
            attempts=work.attempts,
            latency=Latency(**(result.latency or {})),
            completed_at=datetime.now(UTC),
            provider_fields=answer.provider_fields,
        )
        turn = _turn(work, message) if request.use_history else None
        outcome = _outcome(work, completed, turn)
        if len(outcome.body.encode()) > MAX_RECORD_BYTES:
            too_large = error("answer_too_large", "no record holds the answer")
            work.timeline.failed = too_large.code
            outcome = _outcome(work, _failed(work, too_large))
        return await self._settle(work, call, outcome)

    async def fail(
        self, work: Work, reason: ChatError, provider: LLMProvider | None = None, result: AttemptResult | None = None
    ) -> bool:
        """The request fails, with its last attempt or without one."""
        call = None
        if provider is not None and result is not None:
            call = _call(work, provider, result)
            _count(work, provider, result)
        work.timeline.failed = reason.code
        return await self._settle(work, call, _outcome(work, _failed(work, reason)))

    async def drain(self) -> None:
        """Waits until what was submitted is committed, also for those that wait no more."""
        await self._commits.drain()

    async def _settle(self, work: Work, call: CallSettlement | None, outcome: Outcome | None) -> bool:
        ended_at = time.monotonic()
        settled = await self._commits.submit(Settlement(call, outcome))
        work.timeline.step("settle", ended_at, time.monotonic())
        try:
            await self._send(work, call, outcome, settled)
        except KafkaError as problem:
            # The journal's rows stay open: the sweeper sends them when the broker is back.
            log.warning("not published yet: %r", problem, extra={"request_id": str(work.request.request_id)})
        work.timeline.step("publish", None, time.monotonic())
        if outcome is not None:
            OUTCOMES.labels(outcome.state if settled.finished else "discarded").inc()
        return settled.finished

    async def _send(self, work: Work, call: CallSettlement | None, outcome: Outcome | None, settled: Settled) -> None:
        """Sends both at once. Raises `KafkaError` when one of them is not acknowledged."""
        sent, delivery = [], work.delivery
        key, trace = delivery.record_key, delivery.traceparent
        if outcome is not None and settled.finished:
            sent.append(await self._outbox.send_outcome(delivery.key, outcome.state, outcome.body, key, trace))
        if call is not None and settled.revision is not None and settled.started_at is not None:
            known = (call.call_id, settled.revision, settled.started_at, call.record)
            sent.append(await self._outbox.send_call(*known, key, trace))
        await asyncio.gather(*sent)


def _call(work: Work, provider: LLMProvider, result: AttemptResult) -> CallSettlement:
    identity = work.identity(provider, work.attempts)
    return CallSettlement(
        call_id=identity.call_id,
        status=result.status,
        cost_usd=result.cost.usd,
        cost_state=result.cost_state,
        record=record_json(identity, result),
    )


def _count(work: Work, provider: LLMProvider, result: AttemptResult) -> None:
    work.costs.append((result.cost.usd, result.cost_state))
    ATTEMPTS.labels(result.status, provider.name).inc()


def _outcome(work: Work, event: ChatCompleted | ChatFailed, turn: str | None = None) -> Outcome:
    return Outcome(
        tenant_id=work.request.tenant_id,
        request_id=work.request.request_id,
        epoch=work.claimed.epoch,
        state="completed" if isinstance(event, ChatCompleted) else "failed",
        body=event.to_json().decode(),
        turn=turn,
        user_id=work.request.user_id,
    )


def _failed(work: Work, reason: ChatError) -> ChatFailed:
    return ChatFailed(
        request_id=work.request.request_id,
        tenant_id=work.request.tenant_id,
        conversation_id=work.request.conversation_id,
        error=reason,
        attempts=work.attempts,
        cost_usd=total_cost(work.costs)[0],
        failed_at=datetime.now(UTC),
    )


def _turn(work: Work, answer: Message) -> str:
    """What the conversation gains: the new messages, not the history before them, and the answer."""
    messages = [*work.delivery.request.messages, answer]
    return orjson.dumps([message.model_dump(mode="json", exclude_none=True) for message in messages]).decode()
