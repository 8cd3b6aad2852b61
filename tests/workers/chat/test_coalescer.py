"""Pieces of a stream: the first at once, the rest together, none lost and none out of order."""

from __future__ import annotations

import asyncio

from schemas.chat import JsonObject
from workers.chat.streaming import Coalescer


class Sent:
    """Remembers what was sent; a send takes as long as `gate` is closed."""

    def __init__(self) -> None:
        self.pieces: list[tuple[str, list[JsonObject] | None]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.changed = asyncio.Event()

    async def __call__(self, text: str, tool_calls: list[JsonObject] | None) -> None:
        await self.gate.wait()
        self.pieces.append((text, tool_calls))
        self.changed.set()


async def test_the_first_piece_goes_at_once_and_those_soon_after_go_together() -> None:
    sent = Sent()
    coalescer = Coalescer(sent)
    for text in ("a", "b", "c"):
        await coalescer.add(text, None)
    assert sent.pieces == [("a", None)]
    await coalescer.close()
    assert sent.pieces == [("a", None), ("bc", None)]


async def test_a_piece_that_no_other_follows_is_sent_soon() -> None:
    sent = Sent()
    coalescer = Coalescer(sent)
    await coalescer.add("a", None)
    sent.changed.clear()
    await coalescer.add("b", None)
    await asyncio.wait_for(sent.changed.wait(), 5)
    assert sent.pieces == [("a", None), ("b", None)]
    await coalescer.close()
    assert len(sent.pieces) == 2


async def test_pieces_stay_in_order_while_a_send_is_slow() -> None:
    sent = Sent()
    coalescer = Coalescer(sent)
    await coalescer.add("a", None)
    sent.gate.clear()
    adding = [asyncio.create_task(coalescer.add(str(number), [{"index": number}])) for number in range(5)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(coalescer.close())
    sent.gate.set()
    await asyncio.gather(*adding, closing)
    assert "".join(text for text, _ in sent.pieces) == "a01234"
    assert [call["index"] for _, calls in sent.pieces for call in calls or ()] == [0, 1, 2, 3, 4]


async def test_nothing_is_sent_of_nothing() -> None:
    sent = Sent()
    coalescer = Coalescer(sent)
    await coalescer.close()
    assert sent.pieces == []
