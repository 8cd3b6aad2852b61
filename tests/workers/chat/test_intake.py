"""How often the topic is polled: after much came nothing is fetched for a while, after little at once."""

from __future__ import annotations

import asyncio
import itertools
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import TopicPartition

from observatory.adapters.settings import Settings
from observatory.adapters.tracing import Tracing
from schemas.chat import ChatRequested, Message
from workers.chat import intake
from workers.chat.intake import LONGEST_REST_S, REST_S_EACH, Intake
from workers.chat.queue import RequestQueue

PARTITION = TopicPartition("chat.requests", 0)


class Topic:
    """A consumer whose polls bring so many records each; it notes when each came and whether it could fetch."""

    def __init__(self, *polls: int) -> None:
        self._left = list(polls)
        self._paused: set[TopicPartition] = set()
        self._offset = 0
        self.polls: list[tuple[float, bool]] = []
        self.stop = asyncio.Event()

    async def getmany(self, **_: Any) -> dict[TopicPartition, list[Any]]:
        self.polls.append((asyncio.get_running_loop().time(), not self._paused))
        if not self._left:
            self.stop.set()
            return {}
        records = [self._record() for _ in range(self._left.pop(0))]
        return {PARTITION: records} if records else {}

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset({PARTITION})

    def paused(self) -> set[TopicPartition]:
        return set(self._paused)

    def pause(self, *partitions: TopicPartition) -> None:
        self._paused.update(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        self._paused.difference_update(partitions)

    def _record(self) -> Any:
        self._offset += 1
        request = ChatRequested(request_id=uuid4(), model="m", messages=[Message(role="user", content="x")])
        return SimpleNamespace(partition=0, offset=self._offset, timestamp=0, headers=(), value=request.to_json())


async def polled(monkeypatch: pytest.MonkeyPatch, *polls: int) -> tuple[list[float], RequestQueue]:
    """The time between the polls, and what they brought. Each of them could fetch."""
    topic, queue, settings = Topic(*polls), RequestQueue(), Settings(trace_ratio=0)
    monkeypatch.setattr(intake, "new_consumer", lambda *_, **__: topic)
    tracing: Any = Tracing(settings, "chat-worker")
    publisher: Any = None
    await Intake(settings, publisher, tracing, queue, asyncio.Event()).run(topic.stop)
    assert all(fetching for _, fetching in topic.polls)
    times = [at for at, _ in topic.polls]
    return [after - before for before, after in itertools.pairwise(times)], queue


async def test_each_poll_waits_for_as_long_as_the_one_before_keeps_the_worker_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (after_ten, after_many), queue = await polled(monkeypatch, 10, 100)
    assert after_ten > 9 * REST_S_EACH
    assert after_many > 0.9 * LONGEST_REST_S
    assert len(queue) == 110


async def test_what_comes_after_nothing_or_one_is_polled_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses, _ = await polled(monkeypatch, *[0, 1] * 20)
    assert min(pauses[::2]) < REST_S_EACH
    assert min(pauses[1::2]) < 10 * REST_S_EACH
