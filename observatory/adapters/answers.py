"""Hands the events of `chat.responses` to whoever waits for them in this process.

One consumer without a group reads every partition from the end on; its offsets live here, so a restart of the broker
loses nothing. A record that nobody here waits for costs no more than finding its two ids.
Whoever registers before the request is published misses nothing.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from observatory.adapters.answer_records import Heard, Position, address_of, assign, heard_in, is_outcome
from observatory.adapters.kafka import Record, new_consumer, topic_name
from observatory.adapters.partitions import partition_for
from observatory.adapters.settings import KafkaSettings
from observatory.rules.subscription import Outcome, Subscription
from schemas.chat import ChatCompleted, ChatFailed
from schemas.topics import CHAT_RESPONSES

log = logging.getLogger(__name__)

POLL_MS = 1000
PAUSE_S = 0.2
_DEAF = "the answers cannot be read at the moment"


class Away(Exception):
    """Answers cannot be delivered: the listener is not connected yet, or is closing. The same again may succeed."""


_Key = tuple[str, str]


class Answers:
    """The events of one request as a subscriber sees them; ends after the outcome. Raises `Away` when deaf."""

    def __init__(self, after: Position | None = None) -> None:
        self._queue: asyncio.Queue[Heard | None] = asyncio.Queue()
        self._subscription = Subscription()
        self._after = after

    def put(self, heard: Heard | None) -> None:
        """Adds an event, or with None says that no more can come. What stands up to `after` is passed over."""
        if heard is None or not self._is_before(heard.position):
            self._queue.put_nowait(heard)

    async def next(self, timeout_s: float) -> list[Heard]:
        """What is new, at least one event; empty when nothing came in time or the answer is over."""
        while not self.over:
            try:
                first = self._queue.get_nowait() if self._queue.qsize() else await self._wait(timeout_s)
            except TimeoutError:
                return []
            accepted = [heard for heard in self._drain(first) if self.accepts(heard)]
            if accepted:
                return accepted
        return []

    def accepts(self, heard: Heard) -> bool:
        """Whether an event that comes another way (replayed) is to be shown; remembers it when it is."""
        return self._subscription.accepts(heard.ce_id, heard.answer)

    @property
    def over(self) -> bool:
        """True once the outcome was given out."""
        return self._subscription.over

    def _is_before(self, position: Position | None) -> bool:
        after = self._after
        if after is None or position is None:
            return False
        return position.partition == after.partition and position.offset <= after.offset

    async def _wait(self, timeout_s: float) -> Heard | None:
        async with asyncio.timeout(timeout_s):
            return await self._queue.get()

    def _drain(self, heard: Heard | None) -> Iterator[Heard]:
        while heard is not None:
            yield heard
            if not self._queue.qsize():
                return
            heard = self._queue.get_nowait()
        raise Away(_DEAF)


_Waiter = Callable[[Heard | None], None]


class AnswerListener:
    """Reads `chat.responses` once for everybody in this process."""

    def __init__(self, settings: KafkaSettings, client_id: str) -> None:
        self._settings = settings
        self._client_id = client_id
        self._topic = topic_name(settings, CHAT_RESPONSES)
        self._consumer: AIOKafkaConsumer | None = None
        self._reader: asyncio.Task[None] | None = None
        self._ends: dict[int, int] = {}
        self._waiters: dict[_Key, list[tuple[bool, _Waiter]]] = {}

    async def start(self) -> None:
        """Positions itself at the end of every partition. Raises `KafkaError` when the broker is away."""
        consumer = new_consumer(self._settings, self._client_id)
        try:
            await consumer.start()
            partitions = await assign(consumer, self._topic)
            ends = await consumer.end_offsets(partitions)
            for partition, offset in ends.items():
                consumer.seek(partition, offset)
        except BaseException:
            with suppress(asyncio.CancelledError):  # aiokafka lets one out when it is stopped this early
                await consumer.stop()
            raise
        self._ends = {partition.partition: offset for partition, offset in ends.items()}
        self._consumer = consumer
        self._reader = asyncio.create_task(self._read(consumer), name="answer listener")

    async def reading(self) -> None:
        """Goes on for as long as records are read. Raises what ended it: nobody would hear anything any more."""
        if self._reader:
            await asyncio.shield(self._reader)

    async def stop(self) -> None:
        """Gives up on everybody who waits and disconnects."""
        self.give_up()
        if self._reader:
            self._reader.cancel()
            with suppress(asyncio.CancelledError):
                await self._reader
        if self._consumer:
            await self._consumer.stop()

    @property
    def ready(self) -> bool:
        """True while records are read: from then on nothing is missed."""
        return self._reader is not None and not self._reader.done()

    @property
    def waiting(self) -> int:
        """How many requests somebody waits for."""
        return len(self._waiters)

    def give_up(self) -> None:
        """Everybody who waits hears `Away`."""
        for waiters in list(self._waiters.values()):
            for _, hand_over in list(waiters):
                hand_over(None)

    def partition_of(self, key: str) -> int:
        """The partition on which answers with this key come. Raises `Away` before `start`."""
        if not self._ends:
            raise Away(_DEAF)
        return partition_for(key, [TopicPartition(self._topic, number) for number in self._ends]).partition

    def end_of(self, partition: int) -> int | None:
        """The position behind the last record that was read; None when there is no such partition."""
        return self._ends.get(partition)

    async def reachable(self) -> bool:
        """Whether the broker answers now."""
        try:
            return self.ready and self._consumer is not None and bool(await self._consumer.topics())
        except KafkaError:
            return False

    def before_next(self, key: str) -> Position | None:
        """The position just before the next answer with this key; None on an empty partition."""
        partition = self.partition_of(key)
        end = self._ends[partition]
        return Position(partition, end - 1) if end else None

    @contextmanager
    def outcome(self, tenant_id: str, request_id: str) -> Iterator[asyncio.Future[Outcome]]:
        """A future of the request's outcome, for as long as the context lasts. It may raise `Away`."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def hand_over(heard: Heard | None) -> None:
            if future.done():
                return
            if heard is None:
                future.set_exception(Away(_DEAF))
            elif isinstance(heard.answer, ChatCompleted | ChatFailed):
                future.set_result(heard.answer)

        with self._registered((tenant_id, request_id), True, hand_over):
            try:
                yield future
            finally:
                future.cancel()

    @contextmanager
    def follow(self, tenant_id: str, request_id: str, after: Position | None = None) -> Iterator[Answers]:
        """Every event of the request from now on, for as long as the context lasts.

        This listener may be behind the one that gave the client its `after`: what stands up to there is passed over.
        """
        answers = Answers(after)
        with self._registered((tenant_id, request_id), False, answers.put):
            yield answers

    @contextmanager
    def _registered(self, key: _Key, only_outcome: bool, hand_over: _Waiter) -> Iterator[None]:
        if not self.ready:
            raise Away(_DEAF)
        waiter = (only_outcome, hand_over)
        waiters = self._waiters.setdefault(key, [])
        waiters.append(waiter)
        try:
            yield
        finally:
            waiters.remove(waiter)
            if not waiters:
                del self._waiters[key]

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            try:
                batches = await consumer.getmany(timeout_ms=POLL_MS)
            except KafkaError as error:
                log.warning("answers: %r, again in %.1f s", error, PAUSE_S)
                await asyncio.sleep(PAUSE_S)
                continue
            for partition, records in batches.items():
                for record in records:
                    self._hand_out(record)
                self._ends[partition.partition] = records[-1].offset + 1

    def _hand_out(self, record: Record) -> None:
        address = address_of(record)
        waiters = self._waiters.get(address) if address else None
        if not waiters:
            return
        if all(only_outcome for only_outcome, _ in waiters) and not is_outcome(record):
            return
        heard = heard_in(record)
        if heard is not None:
            for _, hand_over in list(waiters):
                hand_over(heard)
