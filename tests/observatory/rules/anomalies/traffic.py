"""Synthetic traffic of one series, window by window, the same at every run. Tokens and latencies have heavy tails."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from decimal import Decimal
from math import exp, log
from random import Random

from observatory.rules.anomalies.windows import WINDOW_S, Window
from tests.observatory.rules.anomalies.faults import Fault, FaultKind, effect_of
from tests.observatory.rules.anomalies.ordinary import MONDAY_S, Habits, Ordinary, binomial, drawn_habits, poisson
from tests.observatory.rules.anomalies.power import Timed, calls_needed

POOL = 4099
TIMED = 60
"""Of so many calls of a window the latencies are drawn; more would change their mean and percentile little."""

INPUT_USD, OUTPUT_USD = Decimal("0.0000025"), Decimal("0.00001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """`calls` a window at noon of a workday; sigmas are of logarithms. An answer takes longer the longer it is."""

    calls: float
    input_sigma: float = 1.0
    output_sigma: float = 0.8
    latency_sigma: float = 0.3
    first_ms: float = 400.0
    token_ms: float = 15.0
    habits: Habits = field(default_factory=Habits)


def drawn_shape(random: Random, calls: float) -> Shape:
    """One of many series with so many calls at noon."""
    return Shape(
        calls=calls, input_sigma=random.uniform(0.4, 1.3), output_sigma=random.uniform(0.4, 1.1),
        latency_sigma=random.uniform(0.15, 0.5), first_ms=random.uniform(150, 1500), token_ms=random.uniform(5, 30),
        habits=drawn_habits(random),
    )  # fmt: skip


class Traffic:
    """The windows of a series that begins on a Monday at midnight, one after the other."""

    def __init__(self, shape: Shape, seed: int) -> None:
        self.shape, self._random = shape, Random(seed)
        self._ordinary = Ordinary(shape.habits, self._random)
        draw = self._random.lognormvariate
        inputs = [int(1 + 900 * draw(0, shape.input_sigma)) for _ in range(POOL)] * 2
        outputs = [int(1 + 150 * draw(0, shape.output_sigma)) for _ in range(POOL)] * 2
        self._logs = [log((shape.first_ms + shape.token_ms * out) * draw(0, shape.latency_sigma)) for out in outputs]
        self._inputs, self._outputs = _sums(inputs), _sums(outputs)
        self._pool: list[Timed] = list(zip(inputs, outputs, self._logs, strict=True))

    @property
    def index(self) -> int:
        """Of the window that comes next."""
        return self._ordinary.index

    @property
    def usual_calls(self) -> float:
        """In the window that comes next."""
        return self.shape.calls * self._ordinary.usual_calls

    def needed(self) -> Mapping[FaultKind, int]:
        """Calls a minute, from which on a fault of each kind can be seen within one."""
        return calls_needed(self._pool, 1.0, (float(INPUT_USD), float(OUTPUT_USD)), Random(0))

    def branch(self, seed: int) -> "Traffic":
        """The same traffic from here on: what happens to the one does not happen to the other."""
        other = copy(self)
        other._random = Random(seed)
        other._ordinary = self._ordinary.branch(other._random)
        return other

    def next(self, faults: Sequence[Fault] = ()) -> Window:
        """The next window, with what goes wrong in it; faults are placed in seconds after the series' beginning."""
        at_s = self.index * WINDOW_S
        now, effect, random, shape = self._ordinary.next(), effect_of(faults, at_s), self._random, self.shape
        calls = min(poisson(random, shape.calls * now.calls * effect.calls), POOL)
        if not calls:
            return Window(start_s=MONDAY_S + at_s)
        first = random.randrange(POOL)
        tokens = now.tokens * effect.tokens
        inputs = int((self._inputs[first + calls] - self._inputs[first]) * tokens)
        outputs = int((self._outputs[first + calls] - self._outputs[first]) * tokens)
        logs = sorted(self._logs[first : first + min(calls, TIMED)])
        # A call with more tokens takes longer by what its answer is longer.
        mean_output = outputs / calls
        longer = (shape.first_ms + shape.token_ms * mean_output) / (
            shape.first_ms + shape.token_ms * mean_output / tokens
        )
        slow = now.slow * effect.slow * longer
        return Window(
            start_s=MONDAY_S + at_s, calls=calls, errors=binomial(random, calls, max(now.failing, effect.failing)),
            tokens=inputs + outputs, output_tokens=outputs,
            cost_usd=(INPUT_USD * inputs + OUTPUT_USD * outputs) * effect.price, timed=calls,
            mean_log_ms=sum(logs) / len(logs) + log(slow), p95_ms=exp(logs[(len(logs) - 1) * 19 // 20]) * slow,
        )  # fmt: skip


def _sums(values: Sequence[int]) -> list[int]:
    sums = [0]
    for value in values:
        sums.append(sums[-1] + value)
    return sums
