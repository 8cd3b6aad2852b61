"""What all calls share: the defaults that make outages, the bill, and the register of calls in flight."""

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from loadtests.simulator.bill import BillWriter


@dataclass(slots=True)
class Defaults:
    """What applies to every call that does not say otherwise itself; changed while running to make outages."""

    latency_ms: int = 0
    ttft_ms: int = 0
    fault: str | None = None
    fault_rate: float = 1.0
    random: Random = field(default_factory=Random)

    def drawn_fault(self) -> str | None:
        """The fault of the next call."""
        if self.fault is None or (self.fault_rate < 1.0 and self.random.random() >= self.fault_rate):
            return None
        return self.fault


class InFlight(Protocol):
    """A call that has no final line yet."""

    received_at: str

    def abandon(self) -> None:
        """Write the final line for what was done until now."""


class Desk:
    """What all calls share: the bill, the defaults, the clockwork, and who is in flight."""

    def __init__(self, writer: BillWriter, defaults: Defaults, loop: asyncio.AbstractEventLoop) -> None:
        self.writer = writer
        self.defaults = defaults
        self.loop = loop
        self.in_flight: dict[str, InFlight] = {}
        self.served = 0
        self._drained: asyncio.Event | None = None

    def finished(self, bill_id: str) -> None:
        """A call has its last line."""
        del self.in_flight[bill_id]
        self.served += 1
        if self._drained is not None and not self.in_flight:
            self._drained.set()

    async def drained(self) -> None:
        """Wait until no call is in flight."""
        if self.in_flight:
            self._drained = asyncio.Event()
            await self._drained.wait()
