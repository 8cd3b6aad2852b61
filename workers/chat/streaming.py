"""Pieces of a streamed answer: the first at once, the rest coalesced to one record every few tens of milliseconds."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from aiokafka.errors import KafkaError

from observatory.adapters.kafka import Publisher
from observatory.adapters.providers.base import ChatChunk
from schemas.chat import ChatDelta, ChatRestarted, JsonObject
from schemas.envelope import event_id
from schemas.topics import CHAT_RESPONSES
from workers.chat.work import Work

log = logging.getLogger(__name__)

COALESCE_S = 0.03

Send = Callable[[str, list[JsonObject] | None], Awaitable[None]]
"""Publishes one piece: text and tool-call deltas."""


class Coalescer:
    """Collects pieces between sends. A piece waits at most `COALESCE_S`, also when no other follows it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._text: list[str] = []
        self._tool_calls: list[JsonObject] = []
        self._last_sent = 0.0
        self._sending = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._timed_flush: asyncio.Task[None] | None = None

    async def add(self, text: str, tool_calls: list[JsonObject] | None) -> None:
        """Takes a piece; sends it, with what waits, when the last send is long enough ago."""
        self._text.append(text)
        self._tool_calls.extend(tool_calls or ())
        wait_s = self._last_sent + COALESCE_S - time.monotonic()
        if wait_s <= 0:
            await self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._timed_out)

    async def flush(self) -> None:
        """Sends what waits, after what is being sent."""
        async with self._sending:
            if not self._text and not self._tool_calls:
                return
            text, tool_calls = "".join(self._text), self._tool_calls
            self._text, self._tool_calls = [], []
            self._last_sent = time.monotonic()
            await self._send(text, tool_calls or None)

    async def close(self) -> None:
        """Sends the rest; nothing is sent afterwards."""
        if self._timer is not None:
            self._timer.cancel()
        if self._timed_flush is not None:
            await self._timed_flush
        await self.flush()

    def _timed_out(self) -> None:
        self._timer = None
        self._timed_flush = asyncio.create_task(self.flush())


class AnswerStream:
    """Publishes one attempt's answer piece by piece. Nothing goes out once the lease is lost: another may stream."""

    def __init__(self, publisher: Publisher, work: Work) -> None:
        self._publisher, self._work = publisher, work
        self._sequence = 0
        self._coalescer = Coalescer(self._delta)

    async def open(self, reason: str | None) -> None:
        """Begins the stream; with a reason, what was shown of earlier attempts is declared void."""
        if reason is not None:
            work, request = self._work, self._work.request
            event = ChatRestarted(
                request_id=request.request_id,
                tenant_id=request.tenant_id,
                conversation_id=request.conversation_id,
                attempt=work.attempts,
                reason=reason,
            )
            await self._publish(event, work.attempts)

    async def add(self, chunk: ChatChunk) -> None:
        """A piece from the provider."""
        await self._coalescer.add(chunk.text, chunk.tool_calls)

    async def close(self) -> None:
        """Publishes what waits."""
        await self._coalescer.close()

    async def _delta(self, text: str, tool_calls: list[JsonObject] | None) -> None:
        if not self._work.lease.holds():
            return
        request, number = self._work.request, self._sequence
        self._sequence += 1
        event = ChatDelta(
            request_id=request.request_id,
            tenant_id=request.tenant_id,
            conversation_id=request.conversation_id,
            attempt=self._work.attempts,
            seq=number,
            text=text,
            tool_calls=tool_calls,
        )
        await self._publish(event, self._work.attempts, number)

    async def _publish(self, event: ChatDelta | ChatRestarted, *parts: int) -> None:
        """Not waited for and, while the broker is away, not repeated: the outcome carries the whole answer."""
        delivery = self._work.delivery
        ce_id = event_id(delivery.subject, event.ce_type, *parts)
        try:
            await self._publisher.publish(CHAT_RESPONSES, delivery.record_key, event, ce_id, delivery.traceparent)
        except KafkaError as error:
            log.warning("piece not sent: %r", error, extra={"request_id": str(self._work.request.request_id)})
