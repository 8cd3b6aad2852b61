"""What the bench found, as numbers; `report` makes a table of it."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from loadtests.bench.phases import Cpu, WorkedOff
from loadtests.bench.tally import Tally, quantile


@dataclass(frozen=True)
class Measure:
    """One line of the bench. Of several runs each figure is the median; `rates` has all of them, per second.

    By process: `cpu_seconds` over `wall_s` seconds, and `cpu_ms_each` for one answer or event.
    `text` is what there is to say besides, `problem` why there are no figures.
    """

    name: str
    target: str
    text: str = ""
    rate: float | None = None
    rates: list[float] = field(default_factory=list)
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    first_p50_ms: float | None = None
    wall_s: float = 0.0
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    cpu_ms_each: dict[str, float] = field(default_factory=dict)
    problem: str = ""

    def cores(self, process: str) -> float | None:
        """How many cores a process kept busy; None when it was not measured."""
        seconds = self.cpu_seconds.get(process)
        return None if seconds is None else seconds / self.wall_s


@dataclass(frozen=True, kw_only=True)
class Results:
    """All of a bench. Memory is PSS, in bytes, of the stack before any load."""

    machine: str
    cpus: int
    fsync_ms: float
    idle_memory_bytes: dict[str, int]
    measures: list[Measure]


def of_tallies(name: str, target: str, tallies: Sequence[Tally], cpu: Cpu) -> Measure:
    """The medians over runs of one load."""
    return Measure(
        name,
        target,
        rate=round(statistics.median(tally.per_second for tally in tallies), 1),
        rates=[round(tally.per_second, 1) for tally in tallies],
        p50_ms=_median_ms([tally.latencies for tally in tallies], 0.5),
        p95_ms=_median_ms([tally.latencies for tally in tallies], 0.95),
        p99_ms=_median_ms([tally.latencies for tally in tallies], 0.99),
        first_p50_ms=_median_ms([tally.firsts for tally in tallies], 0.5),
        wall_s=cpu.wall_s,
        cpu_seconds=cpu.seconds,
        cpu_ms_each=_each(cpu, sum(len(tally.latencies) for tally in tallies)),
    )


def of_delays(name: str, target: str, delays: Sequence[float], cpu: Cpu) -> Measure:
    """Durations, in seconds, that were seen at a fixed rate."""
    p50, p95, p99 = (_median_ms([delays], share) for share in (0.5, 0.95, 0.99))
    return Measure(name, target, p50_ms=p50, p95_ms=p95, p99_ms=p99, wall_s=cpu.wall_s, cpu_seconds=cpu.seconds)


def of_backlog(name: str, target: str, work: WorkedOff) -> Measure:
    """A backlog that was worked off."""
    cpu = work.cpu
    return Measure(
        name,
        target,
        rate=round(work.per_second),
        rates=[round(work.per_second)],
        wall_s=cpu.wall_s,
        cpu_seconds=cpu.seconds,
        cpu_ms_each=_each(cpu, work.events),
    )


def _each(cpu: Cpu, count: int) -> dict[str, float]:
    return {process: round(seconds * 1000 / count, 4) for process, seconds in cpu.seconds.items()}


def _median_ms(runs: Sequence[Sequence[float]], share: float) -> float:
    return round(statistics.median(quantile(run, share) for run in runs) * 1000, 2)
