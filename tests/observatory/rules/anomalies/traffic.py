"""Labelled traffic of one series, window by window, as random as it is in life and the same at every run.

Days and weeks have their shape; load and the provider's speed drift within minutes; tokens and latencies have heavy
tails; bursts of a window or two, hiccups of the provider and steps of a fifth at a deploy belong to what is usual.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from decimal import Decimal
from math import cos, exp, log, pi, sqrt
from random import Random
from typing import Literal

from observatory.rules.anomalies.windows import WINDOW_S, Window

DAY = 86_400 // WINDOW_S
WEEK = 7 * DAY
MONDAY_S = 1_767_571_200
"""2026-01-05, a Monday, at midnight UTC."""

BURSTS_A_DAY, HICCUPS_A_DAY = 12, 3
REST = 12
"""Windows between two bursts, and between two hiccups: more of them is not usual any more."""

POOL = 4099
TOKEN_USD = Decimal("0.0000025")

FaultKind = Literal["price", "calls", "errors", "latency", "tokens"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """From second `at_s` of the series on, for `for_s` seconds; a factor, of errors the share of calls that fail.

    `price`: a token costs so many times more; `calls`: there are so many times more.
    """

    kind: FaultKind
    at_s: int
    for_s: int
    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """`calls` a window at noon of a workday; `night` and `weekend` are factors of it; sigmas are of logarithms."""

    calls: float
    night: float = 0.25
    weekend: float = 0.4
    token_sigma: float = 1.0
    latency_sigma: float = 0.6
    errors: float = 0.005


class Traffic:
    """The windows of a series that begins on a Monday at midnight, one after the other."""

    def __init__(self, shape: Shape, seed: int) -> None:
        self.shape, self._random, self.index = shape, Random(seed), 0
        draw = self._random.lognormvariate
        self._logs = [log(1200 * draw(0, shape.latency_sigma)) for _ in range(POOL)] * 2
        self._tokens = [0]
        drawn = [int(1 + 900 * draw(0, shape.token_sigma)) for _ in range(POOL)]
        for tokens in drawn * 2:
            self._tokens.append(self._tokens[-1] + tokens)
        self._load = self._speed = 0.0
        self._burst = self._hiccup = -REST
        self._burst_factor = 1.0

    @property
    def usual_calls(self) -> float:
        """In the window that comes next."""
        day, time = divmod(self.index, DAY)
        daylight, night = (1 - cos(2 * pi * time / DAY)) / 2, self.shape.night
        return self.shape.calls * (night + (1 - night) * daylight) * (self.shape.weekend if day % 7 >= 5 else 1)

    def branch(self) -> "Traffic":
        """The same traffic from here on: what happens to the one does not happen to the other."""
        other = copy(self)
        other._random = Random()
        other._random.setstate(self._random.getstate())
        return other

    def next(self, faults: Sequence[Fault] = ()) -> Window:
        """The next window, with what goes wrong in it; faults are placed in seconds after the series' beginning."""
        at_s, start_s = self.index * WINDOW_S, MONDAY_S + self.index * WINDOW_S
        failing, slow, tokens_factor, price, rate = self._usual()
        for fault in faults:
            end_s = at_s + WINDOW_S
            part = (min(end_s, fault.at_s + fault.for_s) - max(at_s, fault.at_s)) / WINDOW_S
            if part > 0:
                factor = 1 + (fault.factor - 1) * part
                failing = max(failing, fault.factor * part) if fault.kind == "errors" else failing
                slow *= factor if fault.kind == "latency" else 1
                tokens_factor *= factor if fault.kind == "tokens" else 1
                price *= Decimal(factor) if fault.kind == "price" else 1
                rate *= factor if fault.kind == "calls" else 1
        self.index += 1
        random = self._random
        calls = min(poisson(random, rate), POOL)
        if not calls:
            return Window(start_s=start_s)
        first = random.randrange(POOL)
        tokens = int((self._tokens[first + calls] - self._tokens[first]) * tokens_factor)
        logs = sorted(self._logs[first : first + min(calls, 60)])
        return Window(
            start_s=start_s, calls=calls, errors=sum([random.random() < failing for _ in range(calls)]),
            tokens=tokens, cost_usd=TOKEN_USD * tokens * price, timed=calls,
            mean_log_ms=sum(logs) / len(logs) + log(slow), p95_ms=exp(logs[(len(logs) - 1) * 19 // 20]) * slow,
        )  # fmt: skip

    def _usual(self) -> tuple[float, float, float, Decimal, float]:
        """(share of errors, slowness, growth of tokens, price, calls) without a fault."""
        shape, random = self.shape, self._random
        day, time = divmod(self.index, DAY)
        self._load += -self._load / 30 + 0.15 * sqrt(2 / 30) * random.gauss(0, 1)
        self._speed += -self._speed / 60 + 0.08 * sqrt(2 / 60) * random.gauss(0, 1)
        self._burst, self._hiccup = self._burst - 1, self._hiccup - 1
        if self._burst <= -REST and random.random() < BURSTS_A_DAY / DAY:
            self._burst, self._burst_factor = random.choice((1, 2)), random.uniform(2.5, 5)
        if self._hiccup <= -REST and random.random() < HICCUPS_A_DAY / DAY:
            self._hiccup = random.choice((1, 2))
        daylight = (1 - cos(2 * pi * time / DAY)) / 2
        rate = self.usual_calls * exp(self._load) * (self._burst_factor if self._burst > 0 else 1)
        slow = exp(self._speed) * (1 + 0.15 * daylight) * (1.2 if day >= 4 else 1)
        return 0.3 if self._hiccup > 0 else shape.errors, slow, 1.2 if day >= 2 else 1.0, Decimal(1), rate


def poisson(random: Random, mean: float) -> int:
    """A count; of many the normal one."""
    if mean > 30:
        return max(0, round(random.gauss(mean, sqrt(mean))))
    bound, product, count = exp(-mean), random.random(), 0
    while product > bound:
        product *= random.random()
        count += 1
    return count
