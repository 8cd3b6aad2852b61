"""Claims what waits in the queue, many requests in one transaction, and only with a free slot for each."""

import asyncio
import logging
import time
from collections.abc import Sequence
from uuid import uuid4

import asyncpg

from observatory.adapters.postgres.journal import Claim, Claimed, Journal, RequestKey, Standing
from observatory.adapters.postgres.pool import insist
from observatory.adapters.postgres.reservations import StaleBudgets
from observatory.adapters.settings import Settings
from observatory.adapters.tracing import Tracing
from workers.chat.answering import Answering
from workers.chat.budgeting import Budgeting
from workers.chat.delivery import Delivery
from workers.chat.experimenting import Experimenting, as_text, from_text
from workers.chat.intake import Intake
from workers.chat.leases import Leases
from workers.chat.metrics import IN_FLIGHT, WAITING
from workers.chat.outbox import Outbox
from workers.chat.queue import RequestQueue
from workers.chat.tracing import Timeline
from workers.chat.work import Work

log = logging.getLogger(__name__)

MAX_BATCH = 200
BOOKING_S = 2.0
PARKED_S = 1.0
"""How long a request that somebody else holds waits before it is asked for again, unless its lease ends earlier."""


class Claiming:
    """Turns deliveries into answers; owns the tasks that answer."""

    def __init__(
        self,
        settings: Settings,
        queue: RequestQueue,
        intake: Intake,
        journal: Journal,
        leases: Leases,
        outbox: Outbox,
        answering: Answering,
        budgeting: Budgeting,
        experimenting: Experimenting,
        tracing: Tracing,
        wake: asyncio.Event,
    ) -> None:
        self._owner = settings.instance or "chat"
        self._slots = settings.chat.concurrency
        self._queue, self._intake, self._journal, self._leases = queue, intake, journal, leases
        self._outbox, self._answering, self._budgeting, self._wake = outbox, answering, budgeting, wake
        self._experimenting = experimenting
        self._tracing = tracing
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Claims until `stop`, which comes with a `wake`. A claim that was asked for is always taken up."""
        while not stop.is_set():
            batch = self._queue.take(min(self._slots - len(self._tasks), MAX_BATCH), time.monotonic())
            if batch:
                await self._claim(batch)
            else:
                await self._until_something_may_be_ready()
            WAITING.set(len(self._queue))

    async def drain(self, end: float) -> None:
        """Lets the answers under way end until `end` (monotonic). Those that take longer are cancelled, which books
        what they cost so far, as far as the database takes it in a moment."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=max(0.0, end - time.monotonic()))
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=BOOKING_S)

    async def _until_something_may_be_ready(self) -> None:
        now = time.monotonic()
        ready = self._queue.next_ready(now) if len(self._tasks) < self._slots else None
        if ready is not None and ready <= now:
            return
        try:
            async with asyncio.timeout(None if ready is None else ready - now):
                await self._wake.wait()
        except TimeoutError:
            return
        finally:
            self._wake.clear()

    async def _claim(self, batch: Sequence[Delivery]) -> None:
        claims: list[Claim] = []
        asked_at, owner = 0.0, f"{self._owner}/{uuid4()}"

        async def ask() -> tuple[dict[RequestKey, Claimed], dict[RequestKey, Standing]]:
            nonlocal asked_at, claims
            while True:
                claims = [self._claim_of(delivery) for delivery in batch]
                asked_at = time.monotonic()
                try:
                    return await self._journal.claim(claims, owner, self._leases.length, self._budgeting.version)
                except StaleBudgets:
                    await self._budgeting.refresh()

        try:
            claimed, standings = await insist("claim", ask)
        except (asyncpg.PostgresError, ValueError, TypeError, OverflowError) as error:
            await self._refused(batch, error)
            return
        for delivery, claim in zip(batch, claims, strict=True):
            if ours := claimed.get(delivery.key):
                self._start(delivery, claim, ours, asked_at)
            else:
                await self._not_ours(delivery, standings.get(delivery.key))

    async def _refused(self, batch: Sequence[Delivery], error: Exception) -> None:
        """The database cannot hold one of these: each is tried alone, the bad one goes to the dead letters."""
        if len(batch) > 1:
            for delivery in batch:
                await self._claim([delivery])
            return
        await self._intake.refuse(batch[0].record, f"cannot be stored: {error}")
        self._queue.finish(batch[0])

    def _claim_of(self, delivery: Delivery) -> Claim:
        request = delivery.request
        assignment = self._experimenting.assign(request)
        return Claim(
            tenant_id=request.tenant_id,
            request_id=request.request_id,
            body_sha256=delivery.sha256,
            partition=delivery.record.partition,
            offset=delivery.record.offset,
            record_key=delivery.record_key,
            conversation_id=request.conversation_id,
            use_history=request.use_history,
            published_at=delivery.published_at,
            traceparent=delivery.traceparent,
            first_attempt=self._answering.first_attempt(delivery, assignment),
            assignment=as_text(assignment),
        )

    def _start(self, delivery: Delivery, claim: Claim, claimed: Claimed, asked_at: float) -> None:
        claimed_at = time.monotonic()
        work = Work(
            delivery=delivery,
            request=delivery.request,
            lease=self._leases.hold(delivery.key, claimed.epoch, asked_at + claimed.lease_left_s),
            claimed=claimed,
            claimed_at=claimed_at,
            capped=claim.first_attempt is not None and claim.first_attempt.reservation is not None,
            attempts=claimed.attempts,
            timeline=Timeline(delivery, asked_at, claimed_at),
            assignment=from_text(claimed.assignment),
        )
        task = asyncio.create_task(self._answer(work))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def _answer(self, work: Work) -> None:
        try:
            finished = await self._answering.answer(work)
        except Exception:
            # Not renewed, the lease ends; the request is claimed again and, should it fail so each time, given up.
            log.exception("answering failed", extra={"request_id": str(work.request.request_id)})
            finished = False
        finally:
            work.timeline.record(self._tracing)
        self._leases.release(work.lease)
        if finished:
            self._done(work.delivery)
        else:
            # Whoever gets the epoch gives the outcome; the record is finished when that is seen.
            self._park(work.delivery, PARKED_S)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        IN_FLIGHT.set(len(self._tasks))
        self._wake.set()

    async def _not_ours(self, delivery: Delivery, standing: Standing | None) -> None:
        if standing is None:
            self._park(delivery, PARKED_S / 2)  # its conversation is being answered elsewhere
        elif standing.body_sha256 != delivery.sha256:
            await self._intake.refuse(delivery.record, "idempotency_conflict: this request_id came with another body")
            self._queue.finish(delivery)
        elif standing.state == "claimed":
            self._park(delivery, min(PARKED_S, standing.lease_left_s + 0.05))
        else:
            await self._answered_before(delivery, standing)

    async def _answered_before(self, delivery: Delivery, standing: Standing) -> None:
        """The same position is a redelivery; another one was sent again, and is answered again."""
        record = delivery.record
        if (standing.partition, standing.offset) != (record.partition, record.offset):
            await self._outbox.repeat_outcome(
                delivery.key, standing.state, str(standing.outcome), delivery.record_key, delivery.traceparent
            )
        self._done(delivery)

    def _done(self, delivery: Delivery) -> None:
        self._intake.finish(delivery.record)
        self._queue.finish(delivery)

    def _park(self, delivery: Delivery, seconds: float) -> None:
        self._queue.park(delivery, time.monotonic() + seconds)
        self._wake.set()
