"""What a detector sees of labelled series, and how soon: faults in branches of a week, false alarms in the week itself.

Every few hours a fault of each kind happens in a branch of the series, to the detector as its JSON keeps it; the week
goes on without it. A series, its habits and its faults are drawn from a seed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from statistics import median
from typing import Protocol

from observatory.rules.anomalies.series import Metric
from observatory.rules.anomalies.windows import WINDOW_S, Window
from tests.observatory.rules.anomalies.faults import FACTOR, METRIC, Fault, FaultKind
from tests.observatory.rules.anomalies.ordinary import DAY, MONDAY_S, WEEK
from tests.observatory.rules.anomalies.power import CALLS_A_BLOCK, MINUTE

FAULT_S = 600
SOON_S = 60
NEVER_S = 2 * FAULT_S


class Source(Protocol):
    """Windows of a series, one after the other."""

    @property
    def index(self) -> int:
        """Of the window that comes next."""

    @property
    def usual_calls(self) -> float:
        """In the window that comes next, on average."""

    def needed(self) -> Mapping[FaultKind, int]:
        """Calls a minute, from which on a fault of each kind can be seen within one: see `power`."""

    def branch(self, seed: int) -> "Source":
        """The same from here on, with chances of its own."""

    def next(self, faults: Sequence[Fault] = ()) -> Window:
        """The next window."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a detector says after a window: an alarm begins, or is over."""

    metric: Metric
    begins: bool


class Watcher(Protocol):
    """A detector on one series."""

    def step(self, window: Window) -> Iterable[Heard]:
        """Takes the next window in."""

    def copy(self) -> "Watcher":
        """One that knows the same and goes its own way."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A fault: `took_s` until its alarm, None: never; `again` counts further alarms of its metric.

    `calls` there were in the minute that it began in, or would have been; `enough`: to be seen in that minute.
    """

    kind: FaultKind
    at_s: int
    calls: int
    enough: bool
    took_s: int | None
    again: int
    resolved: bool


@dataclass
class Found:
    """Of one series: alarms in the week without faults, as (metric, second), and what was seen of the faults."""

    name: str
    weeks: float = 0.0
    false: list[tuple[Metric, int]] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)


def seeds(phrase: str, count: int) -> list[int]:
    """So many seeds that nobody chose."""
    return [int(sha256(f"{phrase} {number}".encode()).hexdigest()[:8], 16) for number in range(count)]


def evaluate(
    name: str, source: Source, watcher: Watcher, seed: int, *, every: int, windows: int = WEEK, learns: int = DAY
) -> Found:
    """Goes through so many windows; after the first `learns` faults happen every `every` windows."""
    found, random, needed = Found(name, windows / WEEK), Random(seed ^ 0x5EED), source.needed()
    for index in range(windows):
        if every and index >= learns and (index - learns) % every == 0:
            for kind in METRIC:
                found.seen.append(_a_fault(source, watcher, kind, needed[kind], random))
        found.false += [(heard.metric, index * WINDOW_S) for heard in watcher.step(source.next()) if heard.begins]
    return found


def _a_fault(source: Source, watcher: Watcher, kind: FaultKind, needed: int, random: Random) -> Seen:
    seed, at_s = random.randrange(2**31), source.index * WINDOW_S + random.randrange(WINDOW_S)
    usual = source.branch(seed)
    minute = [usual.next().calls for _ in range(MINUTE)]
    whole = minute[1:]
    enough = sum(minute) >= needed and sum(calls >= CALLS_A_BLOCK for calls in whole) >= len(whole) - 1
    branch, own = source.branch(seed), watcher.copy()
    fault = Fault(kind=kind, at_s=at_s, for_s=FAULT_S, factor=FACTOR[kind])
    begun, over = [], 0
    for _ in range(2 * FAULT_S // WINDOW_S):
        window = branch.next([fault])
        for heard in own.step(window):
            if heard.metric == METRIC[kind]:
                if heard.begins:
                    begun.append(window.start_s + WINDOW_S - MONDAY_S - at_s)
                else:
                    over += 1
    took = begun[0] if begun and begun[0] <= FAULT_S else None
    return Seen(kind, at_s, sum(minute), enough, took, max(0, len(begun) - 1), over == len(begun))


@dataclass(frozen=True)
class Figures:
    """Of the faults of a kind: how many, the share seen within a minute, and the time it took, in seconds."""

    count: int
    soon: float
    median_s: float
    p90_s: float
    ever: float


def figures(seen: Iterable[Seen], where: Callable[[Seen], bool] = lambda one: True) -> Figures | None:
    """None where there are none. One that is never seen takes longer than any."""
    took = sorted(NEVER_S if one.took_s is None else one.took_s for one in seen if where(one))
    if not took:
        return None
    return Figures(
        count=len(took), soon=sum(one <= SOON_S for one in took) / len(took), median_s=median(took),
        p90_s=took[min(len(took) - 1, len(took) * 9 // 10)], ever=sum(one < NEVER_S for one in took) / len(took),
    )  # fmt: skip
