"""The life of one claimed request: attempts until there is an answer or no use in another, then its one outcome."""

import asyncio
import random
import time
from datetime import UTC, datetime

import orjson

from observatory.adapters.kafka import Publisher
from observatory.adapters.postgres.group_commit import GroupCommit
from observatory.adapters.postgres.journal import AttemptStart, Journal, NextAttempt
from observatory.adapters.postgres.pool import insist
from observatory.adapters.postgres.reservations import Refusal, StaleBudgets
from observatory.adapters.providers.base import LLMProvider, ProviderError
from observatory.adapters.providers.registry import NoSuchProvider, Providers
from observatory.adapters.settings import ChatSettings
from observatory.rules.attempts import AttemptIdentity, not_sent, record_json
from observatory.rules.experiments.assignment import Assignment
from observatory.rules.retry import may_retry, next_pause_s
from observatory.rules.tracing import attempt_span_id
from schemas.chat import ChatError, ChatRequested, Message
from schemas.envelope import call_id
from workers.chat.attempt import Answered, Caller, Cancelled, Ended, Sending
from workers.chat.budgeting import Budgeting, NoBound
from workers.chat.delivery import Delivery
from workers.chat.experimenting import Experimenting
from workers.chat.health import Breaker
from workers.chat.settling import Settler
from workers.chat.streaming import AnswerStream
from workers.chat.work import Work, error

MAX_LOST_EPOCHS = 3
OWN_CODES = frozenset({"invalid_request", "no_such_model"})
"""Provider errors that are the request's own fault keep their code; all others are `provider_error`."""


class Answering:
    """Answers claimed requests."""

    def __init__(
        self,
        settings: ChatSettings,
        journal: Journal,
        settler: Settler,
        publisher: Publisher,
        providers: Providers,
        caller: Caller,
        budgeting: Budgeting,
        experimenting: Experimenting,
        breaker: Breaker,
    ) -> None:
        self._settings, self._journal, self._settler = settings, journal, settler
        self._publisher, self._providers, self._caller, self._budgeting = publisher, providers, caller, budgeting
        self._experimenting, self._breaker = experimenting, breaker
        self._starts: GroupCommit[NextAttempt, datetime | Refusal | None] = GroupCommit("begin", journal.begin_attempts)

    def first_attempt(self, delivery: Delivery, assignment: Assignment | None) -> AttemptStart | None:
        """The attempt to begin in the claim's commit; None when there is none to make, or not before the claim."""
        request = delivery.request
        if request.use_history or datetime.now(UTC) >= delivery.deadline:
            return None
        request = self._experimenting.applied_now(request, assignment)
        try:
            return self._start(request, self._providers.choose(request), 1, assignment)
        except (NoSuchProvider, NoBound):
            return None

    async def answer(self, work: Work) -> bool:
        """From the claim to the outcome; False when the epoch was lost on the way and the outcome is not ours."""
        claimed = work.claimed
        if claimed.epoch > 1:
            work.costs = await insist("earlier costs", lambda: self._journal.earlier_costs(work.delivery.key))
        if claimed.lost_epochs >= MAX_LOST_EPOCHS:
            lost = f"{claimed.lost_epochs} workers were lost while they answered this request"
            return await self._settler.fail(work, error("worker_lost", lost))
        if work.request.use_history:
            work.request = await self._with_history(work.request)
        work.request = await self._experimenting.applied(work.request, work.assignment)
        try:
            provider = self._providers.choose(work.request)
        except NoSuchProvider as unknown:
            return await self._settler.fail(work, error("no_such_provider", str(unknown)))
        if claimed.refusal is not None:
            return await self._settler.fail(work, await self._budgeting.error_of(claimed.refusal))
        return await self._attempts(work, provider)

    async def drain(self) -> None:
        """Waits until begun attempts and ends are committed, also for those that wait no more."""
        await self._starts.drain()
        await self._settler.drain()

    async def _attempts(self, work: Work, provider: LLMProvider) -> bool:
        limit = self._settings.max_attempts + work.claimed.epoch - 1
        started_at = work.claimed.claimed_at if work.claimed.begun else None
        restarted = "another worker took over" if work.attempts and not work.claimed.begun else None
        while True:
            if datetime.now(UTC) >= work.delivery.deadline:
                late = error("deadline_exceeded", "the deadline passed before a call could be made")
                begun = None if started_at is None else not_sent()
                return await self._settler.fail(work, late, provider, begun)
            if started_at is None:
                begun_at = await self._begin(work, provider)
                if isinstance(begun_at, ChatError):
                    return await self._settler.fail(work, begun_at)
                started_at = begun_at
            if started_at is None:
                return False
            if not work.lease.holds():
                await self._settler.attempt(work, provider, not_sent())
                return False
            ended = await self._call(work, provider, started_at, restarted)
            if isinstance(ended, Answered):
                return await self._settler.complete(work, provider, ended)
            pause_s = self._pause_s(work, ended.error, limit)
            if pause_s is None:
                return await self._settler.fail(work, _reason(work, ended.error), provider, ended.result)
            await self._settler.attempt(work, provider, ended.result)
            await self._breaker.rest(provider.name, pause_s, work.delivery.deadline)
            started_at, restarted = None, ended.error.error_type

    async def _begin(self, work: Work, provider: LLMProvider) -> datetime | ChatError | None:
        """The next attempt, in its own commit; None when epoch or lease are lost, or why a budget refuses."""
        begun_at = time.monotonic()
        while True:
            try:
                next_attempt = self._next(work, provider)
                started_at = await self._starts.submit(next_attempt)
            except NoBound as unbounded:
                return await self._budgeting.error_of(unbounded)
            except StaleBudgets:
                await self._budgeting.refresh()
                continue
            if isinstance(started_at, Refusal):
                return await self._budgeting.error_of(started_at)
            work.timeline.step("begin", begun_at, time.monotonic())
            if started_at is not None:
                work.attempts = next_attempt.attempt
                work.capped = next_attempt.start.reservation is not None
            return started_at

    def _next(self, work: Work, provider: LLMProvider) -> NextAttempt:
        """Raises `NoBound`."""
        tenant_id, request_id = work.delivery.key
        number = work.attempts + 1
        return NextAttempt(
            tenant_id=tenant_id,
            request_id=request_id,
            epoch=work.claimed.epoch,
            attempt=number,
            start=self._start(work.request, provider, number, work.assignment),
            budget_version=self._budgeting.version,
        )

    def _start(
        self, request: ChatRequested, provider: LLMProvider, number: int, assignment: Assignment | None
    ) -> AttemptStart:
        """Raises `NoBound`."""
        identity = AttemptIdentity(
            call_id=call_id(request.tenant_id, request.request_id, number),
            attempt=number,
            provider=provider.name,
            request=request,
            assignment=assignment,
        )
        result = self._caller.provisional(provider, request, datetime.now(UTC))
        return AttemptStart(
            call_id=identity.call_id,
            provider=provider.name,
            model=request.model,
            record=record_json(identity, result),
            cost_usd=result.cost.usd,
            reservation=self._budgeting.reservation(request, provider),
        )

    async def _call(self, work: Work, provider: LLMProvider, started_at: datetime, restarted: str | None) -> Ended:
        stream = AnswerStream(self._publisher, work) if work.request.stream else None
        if stream:
            await stream.open(restarted)
        id_ = call_id(*work.delivery.key, work.attempts)
        sending = Sending(
            call_id=id_,
            number=work.attempts,
            provider=provider,
            request=self._budgeting.capped(work.request) if work.capped else work.request,
            started_at=started_at,
            deadline=work.delivery.deadline,
            queue_ms=work.queue_ms,
            claimed_at=work.claimed_at,
            on_chunk=stream.add if stream else None,
            traceparent=work.delivery.span.context._replace(span_id=attempt_span_id(id_)).traceparent,
        )
        sent_at = time.monotonic()
        work.timeline.step("policy", None, sent_at)
        try:
            ended = await self._caller.call(sending)
        except Cancelled as cancelled:
            work.timeline.attempt(id_, work.attempts, provider, cancelled.ended.result, sent_at, time.monotonic())
            await self._settler.attempt(work, provider, cancelled.ended.result)
            raise asyncio.CancelledError from None
        work.timeline.attempt(id_, work.attempts, provider, ended.result, sent_at, time.monotonic())
        if stream:
            await stream.close()
        return ended

    def _pause_s(self, work: Work, failure: ProviderError, limit: int) -> float | None:
        """Seconds until the next attempt; None when there is to be none."""
        if _out_of_time(work, failure):
            return None
        pause_s = next_pause_s(work.attempts, failure.retry_after_s, random.random)
        now, deadline = datetime.now(UTC), work.delivery.deadline
        return pause_s if may_retry(failure.retryable, work.attempts, limit, now, deadline, pause_s) else None

    async def _with_history(self, request: ChatRequested) -> ChatRequested:
        """The stored turns of the conversation, then the new messages."""
        conversation = str(request.conversation_id)
        turns = await insist("history", lambda: self._journal.turns(request.tenant_id, conversation))
        earlier = [Message.model_validate(message) for turn in turns for message in orjson.loads(turn)]
        return request.model_copy(update={"messages": [*earlier, *request.messages]})


def _out_of_time(work: Work, failure: ProviderError) -> bool:
    """A time-out of our own is the deadline, even where the clock of the day has not quite got there."""
    ours = failure.error_type == "timeout" and failure.status is None
    return ours or datetime.now(UTC) >= work.delivery.deadline


def _reason(work: Work, failure: ProviderError) -> ChatError:
    told = f"{failure.error_type}: {failure.message}"
    if _out_of_time(work, failure):
        return error("deadline_exceeded", f"the deadline passed during the call ({told})")
    return ChatError(
        code=failure.error_type if failure.error_type in OWN_CODES else "provider_error",
        message=told,
        retryable=failure.retryable,
        provider_status=failure.status,
    )
