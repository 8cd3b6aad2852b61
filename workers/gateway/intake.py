"""From a valid request to its outcome: publish, wait, and ask the journal when nothing is heard.

A request is taken once Kafka has acknowledged it, and whoever waits was listening before it was sent. A request that
was taken goes on, whether its client stays or not.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from aiokafka.errors import KafkaError

from observatory.adapters.answer_records import Heard
from observatory.adapters.answers import AnswerListener, Answers, Away
from observatory.adapters.kafka import Publisher
from observatory.adapters.postgres.app import Requests, RequestState
from observatory.rules.idempotency import body_sha256
from observatory.rules.subscription import Outcome
from schemas.chat import ChatCompleted, ChatFailed, ChatRequested
from schemas.envelope import event_id, request_key
from schemas.topics import CHAT_REQUESTS
from workers.gateway.database import Database, DatabaseAway
from workers.gateway.refusals import Refusal, conflict, late, not_available

log = logging.getLogger(__name__)

ACKNOWLEDGED_S = 10.0
GRACE_S = 5.0
LONGEST_WAIT_S = 3600.0
FIRST_LOOK_S = 4.0
HEARTBEAT_S = 15.0
_OUTCOMES: Mapping[str, type[ChatCompleted] | type[ChatFailed]] = {"completed": ChatCompleted, "failed": ChatFailed}


LookUp = Callable[[], Awaitable[Outcome | None]]
"""Asks whether the outcome is known by other means."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A valid request and its JSON. `request_id` is text, the way it stands in answers.

    `named`: the client chose its id, so it may have been sent before. `traceparent`: the span that asks.
    """

    request: ChatRequested
    request_id: str
    body: bytes
    named: bool
    traceparent: str | None

    @property
    def key(self) -> str:
        """What its records are keyed by."""
        return self.request.conversation_id or self.request_id


class Intake:
    """Takes requests in; one for the process."""

    def __init__(self, publisher: Publisher, listener: AnswerListener, database: Database, deadline_s: float) -> None:
        self._publisher, self._listener, self._database = publisher, listener, database
        self._deadline_s = deadline_s

    async def answer(self, ask: Ask) -> Outcome:
        """Publishes the request and waits for its outcome. Raises `Refusal`."""
        known = await self.known(ask)
        if known is not None:
            return known
        with refusing_while_away(), self._listener.outcome(ask.request.tenant_id, ask.request_id) as outcome:
            await self.publish(ask)
            return await self._wait(ask, outcome)

    async def known(self, ask: Ask) -> Outcome | None:
        """The stored outcome of a request that was sent before. Raises `Refusal` 409 when it was another request.

        The journal is asked only when the client chose the id; while it cannot be asked, the worker decides.
        """
        return await self.look_up(ask) if ask.named else None

    async def publish(self, ask: Ask) -> None:
        """Returns when the broker has acknowledged the request. Raises `Refusal` 503 when it does not in time."""
        request = ask.request
        ce_id = event_id(request_key(request.tenant_id, request.request_id), ChatRequested.ce_type)
        try:
            async with asyncio.timeout(ACKNOWLEDGED_S):
                acknowledged = await self._publisher.publish_bytes(
                    CHAT_REQUESTS, ask.key, ChatRequested, ask.body, ce_id, ask.traceparent
                )
                await acknowledged
        except (KafkaError, TimeoutError) as error:
            log.warning("not acknowledged: %r", error, extra={"request_id": ask.request_id})
            raise _not_acknowledged(ask) from error

    async def look_up(self, ask: Ask) -> Outcome | None:
        """What the journal has: the outcome or None. Raises `Refusal` 409 when the id belongs to another request."""
        state = await self.state(ask.request.tenant_id, ask.request.request_id)
        if state is None:
            return None
        if state.body_sha256 != body_sha256(ask.request):
            raise conflict(ask.request_id)
        return outcome_in(state)

    async def state(self, tenant_id: str, request_id: UUID) -> RequestState | None:
        """The journal's row; None when there is none or the database is away."""
        try:
            return await self._database.run(lambda pool: Requests(pool).state(tenant_id, request_id))
        except DatabaseAway as error:
            log.warning("the journal cannot be asked: %s", error, extra={"request_id": str(request_id)})
            return None

    def patience_s(self, request: ChatRequested) -> float:
        """How long to wait for the outcome, in seconds: until the deadline and a little longer."""
        if request.deadline is None:
            return self._deadline_s + GRACE_S
        left_s = (request.deadline - datetime.now(UTC)).total_seconds()
        return min(max(0.0, left_s), LONGEST_WAIT_S) + GRACE_S

    async def events(
        self, answers: Answers, request_id: str, patience_s: float, look_up: LookUp
    ) -> AsyncIterator[list[Heard]]:
        """What is heard of a request, up to its outcome; an empty list now and then while it is silent.

        Raises `Refusal` 504 when it stays silent for too long, and what `look_up` raises.
        """
        clock = asyncio.get_running_loop().time
        end, pause_s = clock() + patience_s, FIRST_LOOK_S
        while not answers.over:
            batch = await answers.next(min(pause_s, max(0.0, end - clock())))
            if not batch:
                found = await look_up()
                if found is not None:
                    yield [stored(found)]
                    return
                if clock() >= end:
                    raise late(request_id)
                pause_s = min(pause_s * 2, HEARTBEAT_S)
            yield batch

    async def _wait(self, ask: Ask, outcome: asyncio.Future[Outcome]) -> Outcome:
        for pause_s in pauses_s(self.patience_s(ask.request)):
            done, _ = await asyncio.wait((outcome,), timeout=pause_s)
            if done:
                return outcome.result()
            found = await self.look_up(ask)
            if found is not None:
                return found
        raise late(ask.request_id)


def stored(outcome: Outcome) -> Heard:
    """An outcome from the journal as if it had been heard."""
    return Heard(outcome, outcome.to_json(), "", None)


def pauses_s(patience_s: float) -> Iterator[float]:
    """How long to wait before each look into the journal, in seconds: longer each time, `patience_s` in all."""
    pause_s = FIRST_LOOK_S
    while patience_s > 0:
        yield min(pause_s, patience_s)
        patience_s -= pause_s
        pause_s *= 2


def outcome_in(state: RequestState) -> Outcome | None:
    """The outcome that the journal's row holds, if it has one yet."""
    event = _OUTCOMES.get(state.state)
    return event.model_validate_json(state.outcome) if event and state.outcome else None


@contextmanager
def refusing_while_away() -> Iterator[None]:
    """Turns `Away` into a 503."""
    try:
        yield
    except Away as away:
        raise not_available(f"{away}; repeat the request with the same Idempotency-Key") from away


def _not_acknowledged(ask: Ask) -> Refusal:
    message = (
        "the broker did not acknowledge the request in time; it may still arrive: "
        "repeat it with the same Idempotency-Key, so that it is answered and paid once"
    )
    return not_available(message, final=not ask.named)
