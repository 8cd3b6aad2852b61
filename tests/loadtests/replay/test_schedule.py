"""Keeping the schedule: each row when it is due, late only when too many are under way."""

import asyncio
from decimal import Decimal
from types import TracebackType
from typing import Self

from loadtests.replay.schedule import play
from loadtests.replay.trace import Row
from loadtests.replay.ways import NotAnswered


class Held:
    """A way whose answers come when they are released; a row of no tokens is refused."""

    def __init__(self, expected: int = 0) -> None:
        self._expected = expected
        self.all_asked = asyncio.Event()
        self.asked: list[int] = []
        self.most_at_once = 0
        self.released = asyncio.Event()
        self._now = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def ask(self, row: Row) -> Decimal:
        self.asked.append(row.line)
        if len(self.asked) == self._expected:
            self.all_asked.set()
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        await self.released.wait()
        self._now -= 1
        if not row.context_tokens:
            raise NotAnswered("refused")
        return Decimal(row.context_tokens)


def _rows(count: int, apart_s: float, tokens: int = 1) -> list[Row]:
    return [Row(number + 2, number * apart_s, tokens, 1) for number in range(count)]


async def test_rows_are_sent_at_their_times_divided_by_the_speed() -> None:
    way, loop = Held(), asyncio.get_running_loop()
    way.released.set()
    begun = loop.time()
    played = await play(_rows(5, 10.0), way, speed=200, at_once=9, answered=lambda: None)
    assert loop.time() - begun >= 4 * 10.0 / 200
    assert way.asked == [2, 3, 4, 5, 6]
    assert len(played.costs) == 5


async def test_a_slow_answer_delays_no_later_row() -> None:
    way = Held(expected=4)
    playing = asyncio.create_task(play(_rows(4, 0.001), way, speed=1, at_once=9, answered=lambda: None))
    await way.all_asked.wait()
    way.released.set()
    assert (await playing).failures == {}


async def test_never_more_than_allowed_are_under_way_and_the_wait_is_reported() -> None:
    way = Held(expected=2)
    playing = asyncio.create_task(play(_rows(6, 0.0), way, speed=1, at_once=2, answered=lambda: None))
    await way.all_asked.wait()
    way.released.set()
    played = await playing
    assert way.most_at_once == 2
    assert len(played.late_s) == 6
    assert played.late_s[-1] > 0


async def test_a_refused_row_is_kept_with_its_reason_and_counted_as_done() -> None:
    way, done = Held(), []
    way.released.set()
    played = await play(_rows(2, 0.0, tokens=0), way, speed=1, at_once=9, answered=lambda: done.append(1))
    assert played.failures == {2: "refused", 3: "refused"}
    assert len(done) == 2
