"""Dead letters as the gateway reads them: counted at most every few seconds, listed and sent again when asked."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from aiokafka.errors import KafkaError

from observatory.adapters import dead_letters
from observatory.adapters.dead_letters import Letter, Summary
from observatory.adapters.following import NoSuchTopic
from observatory.adapters.postgres.pool import TRANSIENT, describe
from observatory.adapters.postgres.resending import only_sender
from observatory.adapters.settings import KafkaSettings
from schemas.topics import Topic
from workers.gateway.access import Access
from workers.gateway.database import Database, DatabaseAway
from workers.gateway.refusals import Refusal, not_available, not_found
from workers.gateway.remembered import Remembered

COUNTED_EVERY_S = 10.0
PATIENCE_S = 20.0


class DeadLetterDesk:
    """For operators: who needs no key, or shows one of `operator_keys` (their ids)."""

    def __init__(self, kafka: KafkaSettings, database: Database, operator_keys: str) -> None:
        self._kafka, self._database = kafka, database
        self._operators = frozenset(operator_keys.split(",")) - {""}
        self._counted = Remembered(lambda: dead_letters.summaries(kafka), COUNTED_EVERY_S)
        self._retrying = asyncio.Lock()

    def is_operator(self, access: Access) -> bool:
        """Whether they may see records of all tenants."""
        return access.api_key_id is None or access.api_key_id in self._operators

    def only_operators(self, access: Access) -> None:
        """Raises `Refusal` 403."""
        if not self.is_operator(access):
            message = "dead letters hold what any tenant sent: an operator's key is needed (OBSERVATORY_OPERATOR_KEYS)"
            raise Refusal(403, "forbidden", message, final=True)

    async def counts(self) -> Sequence[Summary]:
        """Of every topic. Raises `KafkaError`, `NoSuchTopic`, `TimeoutError`."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._counted.get()

    async def counts_or_refuse(self) -> Sequence[Summary]:
        """As `counts`. Raises `Refusal` 503."""
        async with _refusing():
            return await self.counts()

    async def latest(self, name: str, limit: int) -> tuple[Topic, list[Letter], int]:
        """The last letters of a topic, latest first, and below which offset they were sent again. Raises `Refusal`."""
        topic = _topic(name)
        async with _refusing():
            kept = deque([letter async for letter in dead_letters.letters(self._kafka, topic)], limit)
            return topic, list(reversed(kept)), await dead_letters.retried_below(self._kafka, topic)

    async def retry(self, name: str, up_to: int | None) -> tuple[Topic, int]:
        """Sends those that wait again; how many. One sender at a time, so that none is sent twice. Raises `Refusal`."""
        topic = _topic(name)
        async with _refusing(), self._retrying, self._alone(topic):
            below = await dead_letters.retried_below(self._kafka, topic)
            chosen = [
                letter
                async for letter in dead_letters.letters(self._kafka, topic)
                if letter.record.offset >= below and (up_to is None or letter.record.offset <= up_to)
            ]
            if chosen:
                await dead_letters.retry(self._kafka, topic, chosen, remember=True)
                self._counted.forget()
            return topic, len(chosen)

    @asynccontextmanager
    async def _alone(self, topic: Topic) -> AsyncIterator[None]:
        """No other gateway and no command sends letters of the topic within it. Raises `Refusal` 503."""
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(only_sender(self._database.pool, topic.name, PATIENCE_S))
            except (DatabaseAway, *TRANSIENT) as error:
                message = f"whether somebody else sends them now cannot be asked: {describe(error)}; try again"
                raise not_available(message) from error
            yield


def _topic(name: str) -> Topic:
    try:
        return dead_letters.topic_of(name)
    except NoSuchTopic as error:
        raise not_found(str(error)) from error


@asynccontextmanager
async def _refusing() -> AsyncIterator[None]:
    """What Kafka refuses is 503."""
    try:
        yield
    except (KafkaError, NoSuchTopic, TimeoutError) as error:
        raise not_available(f"Kafka: {error!r}; try again") from error
