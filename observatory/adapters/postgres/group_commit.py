"""Group commit: everything that came while the last statement ran goes into the next one.

One write in an idle system is sent at once; under load the batches grow by themselves.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from observatory.adapters.postgres.pool import insist

Item = TypeVar("Item")
Result = TypeVar("Result")

Execute = Callable[[Sequence[Item]], Awaitable[Sequence[Result]]]
"""Writes a batch in one transaction and returns one result for each item, in order; safe to repeat."""


class GroupCommit(Generic[Item, Result]):
    """Batches the writes of many tasks. While the database is away they wait; they are never dropped."""

    def __init__(self, what: str, execute: Execute[Item, Result], *, limit: int = 500, rest_s: float = 0.0) -> None:
        """`rest_s`: a pause before each statement, for writes that nobody waits for; without it there are no timers."""
        self._what, self._execute, self._limit, self._rest_s = what, execute, limit, rest_s
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._runner: asyncio.Task[None] | None = None

    def submit(self, item: Item) -> asyncio.Future[Result]:
        """The future ends when the item is committed; it raises the database's error when that refuses this item."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run(), name=self._what)
        return future

    async def drain(self) -> None:
        """Returns when nothing waits any more."""
        if self._runner is not None:
            await self._runner

    async def _run(self) -> None:
        while self._waiting:
            await asyncio.sleep(self._rest_s)
            await self._while_more_come()
            batch = [self._waiting.popleft() for _ in range(min(self._limit, len(self._waiting)))]
            await self._commit(batch)

    async def _while_more_come(self) -> None:
        """Lets tasks that are on their way here arrive, as long as each turn of the event loop brings one: no timer."""
        size = 0
        while size < len(self._waiting) < self._limit:
            size = len(self._waiting)
            await asyncio.sleep(0)

    async def _commit(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        items = [item for item, _ in batch]
        try:
            results = await insist(self._what, lambda: self._execute(items))
        except Exception as error:
            # Of whatever kind: whoever waits must hear of it.
            await self._refused(batch, error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)

    async def _refused(self, batch: list[tuple[Item, asyncio.Future[Result]]], error: Exception) -> None:
        """One bad item must not take the others with it: each is tried alone."""
        if len(batch) > 1:
            for entry in batch:
                await self._commit([entry])
            return
        _, future = batch[0]
        if not future.done():
            future.set_exception(error)
