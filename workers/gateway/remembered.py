"""An answer that costs something, asked for once for all who want it, and kept for a while."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """What `ask` gave last, at most `for_s` seconds ago. What it raises is raised and not kept."""

    def __init__(self, ask: Callable[[], Awaitable[T]], for_s: float) -> None:
        self._ask, self._for_s = ask, for_s
        self._asking = asyncio.Lock()
        self._kept: tuple[float, T] | None = None

    async def get(self) -> T:
        """Asks when what is kept is too old; who comes meanwhile waits for the same answer."""
        async with self._asking:
            if self._kept is None or time.monotonic() - self._kept[0] >= self._for_s:
                answer = await self._ask()
                self._kept = (time.monotonic(), answer)
            return self._kept[1]

    def forget(self) -> None:
        """The next who asks gets a new answer."""
        self._kept = None
