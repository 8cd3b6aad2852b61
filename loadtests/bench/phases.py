"""One phase of the bench: what was measured, and the CPU that every process took for it."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from loadtests.bench.problems import BenchError
from loadtests.bench.processes import cpu_seconds

CLIENT = "client"
OTHERS = "others"
_BUSY = slice(0, 3)  # user, nice, system: the idle and the stolen time come after
_IRQ = slice(5, 7)


@dataclass(slots=True)
class Cpu:
    """CPU seconds of each process over `wall_s` seconds; `others` is all that is not of the stack."""

    wall_s: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class WorkedOff:
    """So many events that were there at the beginning and were done at the end, and what that took."""

    events: int
    seconds: float
    cpu: Cpu

    @property
    def per_second(self) -> float:
        """Events a second."""
        return self.events / self.seconds


@contextmanager
def measured_cpu(processes: Mapping[str, int]) -> Iterator[Cpu]:
    """What is used within the block. Raises `BenchError` when a process ended meanwhile: its figures would be wrong."""
    cpu, begun = Cpu(), time.perf_counter()
    before, all_before = _used(processes), _machine()
    yield cpu
    after, all_after = _used(processes), _machine()
    gone = [name for name, pid in processes.items() if not Path(f"/proc/{pid}").exists()]
    if gone:
        raise BenchError(f"{', '.join(gone)} ended while it was measured: see its log")
    cpu.wall_s = time.perf_counter() - begun
    cpu.seconds = {name: round(after[name] - before[name], 3) for name in after}
    cpu.seconds[OTHERS] = round(max(0.0, all_after - all_before - sum(cpu.seconds.values())), 3)


def _used(processes: Mapping[str, int]) -> dict[str, float]:
    return {**cpu_seconds(processes), CLIENT: time.process_time()}


def _machine() -> float:
    """CPU seconds that the whole machine was busy since it started."""
    with open("/proc/stat") as file:
        fields = [int(text) for text in file.readline().split()[1:]]
    return (sum(fields[_BUSY]) + sum(fields[_IRQ])) / os.sysconf("SC_CLK_TCK")
