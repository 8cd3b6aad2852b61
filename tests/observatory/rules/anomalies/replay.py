"""Real arrivals and real numbers of tokens, as endless traffic: windows of a recorded trace, thinned by the seasons.

They are played forwards and backwards, turning at random and at both ends, so that no jump is made that was not
recorded, and no week is a loop. A trace says nothing of latencies: they are made of its tokens. Part of a trace may be
kept for later: what is tuned on one half is tested on the other.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from math import exp, log
from random import Random
from statistics import fmean, variance

from loadtests.replay.trace import Row
from observatory.rules.anomalies.windows import WINDOW_S, Window
from tests.observatory.rules.anomalies.faults import Fault, FaultKind, effect_of
from tests.observatory.rules.anomalies.ordinary import DAY, MONDAY_S, Habits, Ordinary, binomial
from tests.observatory.rules.anomalies.power import Timed, calls_needed
from tests.observatory.rules.anomalies.traffic import INPUT_USD, OUTPUT_USD

TURNS_A_DAY = 100

FIRST_MS, INPUT_MS, OUTPUT_MS, LATENCY_SIGMA = 200.0, 0.1, 25.0, 0.25
TIMED = 60

Call = tuple[int, int]
"""Tokens of its prompt and of its answer."""


@dataclass(frozen=True, slots=True)
class Recording:
    """The calls of each window of a trace, and how many there are on average."""

    windows: Sequence[Sequence[Call]]
    mean_calls: float


def recording_of(rows: Sequence[Row], share: tuple[float, float] = (0.0, 1.0)) -> Recording:
    """Those of a trace between two shares of its length; whole windows only."""
    count = int(rows[-1].after_s // WINDOW_S)
    windows: list[list[Call]] = [[] for _ in range(count)]
    for row in rows:
        place = int(row.after_s // WINDOW_S)
        if place < count:
            windows[place].append((row.context_tokens, row.generated_tokens))
    own = windows[int(count * share[0]) : int(count * share[1])]
    return Recording(own, sum(map(len, own)) / len(own))


def recording_of_sums(lines: Iterable[str]) -> Recording:
    """Of a file with a line a window, `calls,input_tokens,output_tokens`: the calls of a window are all alike."""
    windows: list[list[Call]] = []
    for row in csv.DictReader(lines):
        calls = int(row["calls"])
        windows.append(
            [(int(row["input_tokens"]) // calls, int(row["output_tokens"]) // calls)] * calls if calls else []
        )
    return Recording(windows, sum(map(len, windows)) / len(windows))


class Replay:
    """The windows of a series that begins on a Monday at midnight, one after the other."""

    def __init__(self, recording: Recording, habits: Habits, seed: int) -> None:
        self._recording, self._random = recording, Random(seed)
        self._ordinary = Ordinary(habits, self._random)
        self._place, self._ahead = self._random.randrange(len(recording.windows)), 1

    @property
    def index(self) -> int:
        """Of the window that comes next."""
        return self._ordinary.index

    @property
    def usual_calls(self) -> float:
        """In the window that comes next, on average."""
        return self._recording.mean_calls * self._ordinary.usual_calls

    def needed(self) -> Mapping[FaultKind, int]:
        """Calls a minute, from which on a fault of each kind can be seen within one."""
        random, windows = Random(0), self._recording.windows
        calls: list[Timed] = []
        for window in windows:
            calls += [(*call, log(_ms(call, 1.0)) + random.gauss(0, LATENCY_SIGMA)) for call in window]
        halves = [sum(map(len, windows[first : first + 3])) for first in range(len(windows) - 2)]
        changes = [after - before for before, after in zip(halves, halves[3:], strict=False)]
        crowding = max(1.0, variance(changes) / 2 / fmean(halves))
        return calls_needed(calls, crowding, (float(INPUT_USD), float(OUTPUT_USD)), random)

    def branch(self, seed: int) -> "Replay":
        """The same traffic from here on: what happens to the one does not happen to the other."""
        other = copy(self)
        other._random = Random(seed)
        other._ordinary = self._ordinary.branch(other._random)
        return other

    def next(self, faults: Sequence[Fault] = ()) -> Window:
        """The next window, with what goes wrong in it; faults are placed in seconds after the series' beginning."""
        at_s = self.index * WINDOW_S
        now, effect, random = self._ordinary.next(), effect_of(faults, at_s), self._random
        calls = self._calls(now.calls * effect.calls)
        if not calls:
            return Window(start_s=MONDAY_S + at_s)
        tokens = now.tokens * effect.tokens
        inputs = int(sum([call[0] for call in calls]) * tokens)
        outputs = int(sum([call[1] for call in calls]) * tokens)
        slow = now.slow * effect.slow
        timed = calls if len(calls) <= TIMED else random.sample(calls, TIMED)
        logs = sorted([log(_ms(call, tokens)) + random.gauss(0, LATENCY_SIGMA) for call in timed])
        return Window(
            start_s=MONDAY_S + at_s, calls=len(calls), tokens=inputs + outputs, output_tokens=outputs,
            errors=binomial(random, len(calls), max(now.failing, effect.failing)),
            cost_usd=(INPUT_USD * inputs + OUTPUT_USD * outputs) * effect.price, timed=len(calls),
            mean_log_ms=sum(logs) / len(logs) + log(slow), p95_ms=exp(logs[(len(logs) - 1) * 19 // 20]) * slow,
        )  # fmt: skip

    def _calls(self, factor: float) -> list[Call]:
        """Those of the recorded window, each as often as the factor says, by chance where it is no whole number."""
        recorded = self._recording.windows[self._next_place()]
        whole, rest = divmod(factor, 1)
        random = self._random
        calls = list(recorded) * int(whole)
        return calls + [call for call in recorded if random.random() < rest]

    def _next_place(self) -> int:
        if self._random.random() < TURNS_A_DAY / DAY or not 0 <= self._place + self._ahead < len(
            self._recording.windows
        ):
            self._ahead = -self._ahead
        self._place = max(0, min(self._place + self._ahead, len(self._recording.windows) - 1))
        return self._place


def _ms(call: Call, tokens: float) -> float:
    return FIRST_MS + (INPUT_MS * call[0] + OUTPUT_MS * call[1]) * tokens
