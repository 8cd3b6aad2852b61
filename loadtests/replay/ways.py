"""Two ways to ask for a row's tokens and hear what they cost: over HTTP, and over the topics."""

import asyncio
import json
from decimal import Decimal
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID, uuid4

import aiohttp
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from loadtests.replay.bill import MODEL
from loadtests.replay.trace import Row
from schemas.chat import ChatCompleted, ChatFailed, ChatRequested, Message
from schemas.topics import CHAT_REQUESTS, CHAT_RESPONSES

PROVIDER = "sim-openai"
"""Load never goes to a provider that is paid, whatever keys are set."""

LONGEST_S = 130.0


class NotAnswered(Exception):
    """A request has no good answer; the message says why."""


class Away(Exception):
    """The platform cannot be reached at all; the message says where it was looked for."""


class Way(Protocol):
    """Asks for one row's answer. Entering it connects, and raises `Away`."""

    async def __aenter__(self) -> Self:
        """Connects."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnects."""

    async def ask(self, row: Row) -> Decimal:
        """What the answer cost, in USD. Raises `NotAnswered`."""


class HttpWay:
    """`POST /v1/chat/completions`; the cost is in a header of the answer."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url

    async def __aenter__(self) -> Self:
        """Connects."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=LONGEST_S)
        )
        try:
            await self._session.head(self._base_url)
        except aiohttp.ClientError as error:
            await self._session.close()
            raise Away(f"the gateway at {self._base_url} does not answer: {error}") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnects."""
        await self._session.close()

    async def ask(self, row: Row) -> Decimal:
        """What the answer cost, in USD. Raises `NotAnswered`."""
        body = {"model": MODEL, "messages": [{"role": "user", "content": text_of(row)}]}
        headers = {"x-observatory-provider": PROVIDER}
        try:
            async with self._session.post(
                f"{self._base_url}/v1/chat/completions", json=body, headers=headers
            ) as response:
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NotAnswered(repr(error)) from error
        cost = response.headers.get("x-observatory-cost-usd")
        if response.status != 200 or cost is None:
            raise NotAnswered(f"HTTP {response.status}: {content[:200].decode(errors='replace')}")
        return Decimal(cost)


class KafkaWay:
    """`chat.requests` and `chat.responses`; the cost is in the outcome."""

    def __init__(self, bootstrap: str, topic_prefix: str) -> None:
        self._bootstrap, self._prefix = bootstrap, topic_prefix
        self._waiting: dict[UUID, asyncio.Future[Decimal]] = {}

    async def __aenter__(self) -> Self:
        """Connects."""
        topic = self._prefix + CHAT_RESPONSES.name
        self._producer = AIOKafkaProducer(bootstrap_servers=self._bootstrap, acks="all", enable_idempotence=True)
        self._consumer = AIOKafkaConsumer(topic, bootstrap_servers=self._bootstrap, auto_offset_reset="latest")
        try:
            await self._producer.start()
            await self._consumer.start()
            for partition in self._consumer.assignment():
                await self._consumer.position(partition)  # else it is found out after the first answers
        except KafkaError as error:
            await self._disconnect()
            raise Away(f"Kafka at {self._bootstrap} does not answer: {error!r}") from error
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnects."""
        self._listening.cancel()
        await asyncio.wait([self._listening])
        await self._disconnect()

    async def ask(self, row: Row) -> Decimal:
        """What the answer cost, in USD. Raises `NotAnswered`."""
        message = Message(role="user", content=text_of(row))
        request = ChatRequested(request_id=uuid4(), model=MODEL, provider=PROVIDER, messages=[message])
        answer: asyncio.Future[Decimal] = asyncio.get_running_loop().create_future()
        self._waiting[request.request_id] = answer
        try:
            async with asyncio.timeout(LONGEST_S):
                key, topic = str(request.request_id).encode(), self._prefix + CHAT_REQUESTS.name
                await self._producer.send_and_wait(topic, request.to_json(), key=key)
                return await answer
        except (KafkaError, TimeoutError) as error:
            raise NotAnswered(repr(error)) from error
        finally:
            del self._waiting[request.request_id]

    async def _listen(self) -> None:
        async for record in self._consumer:
            ce_type = dict(record.headers).get("ce_type", b"").decode(errors="replace")
            if ce_type in (ChatCompleted.ce_type, ChatFailed.ce_type):
                body = json.loads(record.value)
                answer = self._waiting.get(UUID(body["request_id"]))
                if answer is not None and not answer.done():
                    _settle(answer, body)

    async def _disconnect(self) -> None:
        await self._consumer.stop()
        await self._producer.stop()


def text_of(row: Row) -> str:
    """A message that asks the simulator for the row's tokens."""
    return f"Complete this function. [[sim in={row.context_tokens} out={row.generated_tokens}]]"


def _settle(answer: asyncio.Future[Decimal], body: dict[str, object]) -> None:
    cost, error = body.get("cost_usd"), body.get("error")
    if error is None and isinstance(cost, str):
        answer.set_result(Decimal(cost))
    else:
        answer.set_exception(NotAnswered(f"chat.failed: {error}" if error else "an answer without its cost"))
