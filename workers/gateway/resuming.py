"""Takes up the events of a request again, on any gateway: first what the topic holds already, then what comes."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from uuid import UUID

from aiokafka.errors import KafkaError

from observatory.adapters.answer_records import Heard, Position
from observatory.adapters.answers import AnswerListener
from observatory.adapters.postgres.app import RequestState
from observatory.adapters.replay import offset_at, replay
from observatory.adapters.settings import KafkaSettings
from observatory.rules.subscription import OUTCOME_TYPES, Outcome
from workers.gateway.intake import Intake, outcome_in, refusing_while_away, stored
from workers.gateway.refusals import invalid, not_available

log = logging.getLogger(__name__)

AT_ONCE = 16
"""Each replay reads its partition with a consumer of its own."""


class Resuming:
    """Follows requests that were published before, by whomever."""

    def __init__(self, kafka: KafkaSettings, client_id: str, listener: AnswerListener, intake: Intake) -> None:
        self._kafka, self._client_id = kafka, f"{client_id}-replay"
        self._listener, self._intake = listener, intake
        self._places = asyncio.Semaphore(AT_ONCE)

    async def events(
        self, tenant_id: str, request_id: UUID, after: Position | None, patience_s: float
    ) -> AsyncGenerator[list[Heard], None]:
        """Every event behind `after`, from the beginning when that is None; nothing when `after` is the outcome.

        Raises `Refusal`: 400 for no such position, 503 while the broker is away, 504 when it stays silent.
        """
        name = str(request_id)

        async def look_up() -> Outcome | None:
            state = await self._intake.state(tenant_id, request_id)
            return None if state is None else outcome_in(state)

        with refusing_while_away(), self._listener.follow(tenant_id, name, after) as answers:
            begin = after or await self._beginning(await self._intake.state(tenant_id, request_id))
            if begin is not None:
                async with aclosing(self._replayed(tenant_id, name, begin)) as replayed:
                    async for heard in replayed:
                        if heard.position == after and heard.answer.ce_type in OUTCOME_TYPES:
                            return
                        if heard.position != after and answers.accepts(heard):
                            yield [heard]
            known = None if answers.over else await look_up()
            if known is not None:
                yield [stored(known)]
                return
            async for batch in self._intake.events(answers, name, patience_s, look_up):
                yield batch

    async def _replayed(self, tenant_id: str, request_id: str, begin: Position) -> AsyncGenerator[Heard, None]:
        end = self._listener.end_of(begin.partition)
        if end is None:
            raise invalid(f"there is no partition {begin.partition}", "Last-Event-ID")
        try:
            records = replay(self._kafka, self._client_id, tenant_id, request_id, begin, end)
            async with self._places, aclosing(records):
                async for heard in records:
                    yield heard
        except KafkaError as error:
            log.warning("replay: %r", error, extra={"request_id": request_id})
            raise not_available("the broker is away; connect again with the same Last-Event-ID") from error

    async def _beginning(self, state: RequestState | None) -> Position | None:
        """Where the answers of a request can begin: not before it was published. None: nothing can be there yet."""
        if state is None:
            return None
        partition = self._listener.partition_of(state.record_key)
        published_ms = int(state.published_at.timestamp() * 1000)
        try:
            offset = await offset_at(self._kafka, self._client_id, partition, published_ms)
        except KafkaError as error:
            raise not_available("the broker is away; try again") from error
        return None if offset is None else Position(partition, offset)
