"""What is usual in every series, synthetic or replayed: seasons, drifts, bursts, hiccups of the provider, deploys."""

from copy import copy
from dataclasses import dataclass
from math import cos, exp, pi, sqrt
from random import Random

from observatory.rules.anomalies.windows import WINDOW_S

DAY = 86_400 // WINDOW_S
WEEK = 7 * DAY
MONDAY_S = 1_767_571_200
"""2026-01-05, a Monday, at midnight UTC."""

REST_S = 120
"""Between two bursts, and between two hiccups: more of them is not usual any more."""

SHORTEST_S, LONGEST_S = 5, 20
"""What is shorter or as long is usual; it begins whenever it likes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """`night` and `weekend` are shares of the calls at noon of a workday; sigmas are of logarithms."""

    night: float = 0.25
    weekend: float = 0.4
    load_sigma: float = 0.15
    speed_sigma: float = 0.08
    mix_sigma: float = 0.05
    """Of the length of prompts and answers, which drifts by itself within minutes."""
    bursts_a_day: float = 12
    hiccups_a_day: float = 3
    errors: float = 0.005
    deploy_day: int = 2
    deploy_tokens: float = 1.2
    slow_day: int = 4
    slow: float = 1.2


def drawn_habits(random: Random) -> Habits:
    """Those of a series, as different as they are from one tenant to the next."""
    return Habits(
        night=random.uniform(0.1, 0.6), weekend=random.uniform(0.15, 1), load_sigma=random.uniform(0.08, 0.25),
        speed_sigma=random.uniform(0.04, 0.1), mix_sigma=random.uniform(0.02, 0.12),
        bursts_a_day=random.uniform(2, 20), hiccups_a_day=random.uniform(0, 4),
        errors=10 ** random.uniform(-3, -1.5), deploy_day=random.randrange(1, 7),
        deploy_tokens=random.uniform(0.75, 1.3), slow_day=random.randrange(1, 7), slow=random.uniform(0.8, 1.25),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Moment:
    """A burst or a hiccup, and how bad it is, from 0 to 1."""

    from_s: float = -REST_S
    until_s: float = -REST_S
    size: float = 0.0

    def next(self, at_s: int, a_day: float, random: Random) -> "Moment":
        """The one that begins in the window at `at_s`, or this one."""
        if at_s < self.until_s + REST_S or random.random() >= a_day / DAY:
            return self
        from_s = at_s + random.uniform(0, WINDOW_S)
        return Moment(from_s, from_s + random.uniform(SHORTEST_S, LONGEST_S), random.random())

    def part(self, at_s: int) -> float:
        """Of the window at `at_s`, that it takes up."""
        return max(0.0, min(at_s + WINDOW_S, self.until_s) - max(at_s, self.from_s)) / WINDOW_S


@dataclass(slots=True)
class Now:
    """The state of things in one window; `calls` is a factor of those at noon of a workday."""

    calls: float
    failing: float
    slow: float
    tokens: float


class Ordinary:
    """Goes from window to window of a series that begins on a Monday at midnight."""

    def __init__(self, habits: Habits, random: Random) -> None:
        self._habits, self._random, self.index = habits, random, 0
        self._load = self._speed = self._mix = 0.0
        self._burst = self._hiccup = Moment()

    @property
    def usual_calls(self) -> float:
        """In the window that comes next, as a share of those at noon of a workday."""
        day, night = self.index // DAY, self._habits.night
        weekend = self._habits.weekend if day % 7 >= 5 else 1
        return (night + (1 - night) * self._daylight) * weekend

    @property
    def _daylight(self) -> float:
        return (1 - cos(2 * pi * (self.index % DAY) / DAY)) / 2

    def branch(self, random: Random) -> "Ordinary":
        """The same from here on, with a randomness of its own."""
        other = copy(self)
        other._random = random
        return other

    def next(self) -> Now:
        """The next window."""
        habits, random, day = self._habits, self._random, self.index // DAY
        self._load += -self._load / 30 + habits.load_sigma * sqrt(2 / 30) * random.gauss(0, 1)
        self._speed += -self._speed / 60 + habits.speed_sigma * sqrt(2 / 60) * random.gauss(0, 1)
        self._mix += -self._mix / 60 + habits.mix_sigma * sqrt(2 / 60) * random.gauss(0, 1)
        at_s = self.index * WINDOW_S
        self._burst = self._burst.next(at_s, habits.bursts_a_day, random)
        self._hiccup = self._hiccup.next(at_s, habits.hiccups_a_day, random)
        slow = exp(self._speed) * (1 + 0.15 * self._daylight) * (habits.slow if day >= habits.slow_day else 1)
        now = Now(
            calls=self.usual_calls * exp(self._load) * (1 + self._burst.part(at_s) * 4 * self._burst.size),
            failing=max(habits.errors, self._hiccup.part(at_s) * (0.1 + 0.4 * self._hiccup.size)),
            slow=slow,
            tokens=exp(self._mix) * (habits.deploy_tokens if day >= habits.deploy_day else 1),
        )
        self.index += 1
        return now


def poisson(random: Random, mean: float) -> int:
    """A count; of many the normal one."""
    if mean > 30:
        return max(0, round(random.gauss(mean, sqrt(mean))))
    bound, product, count = exp(-mean), random.random(), 0
    while product > bound:
        product *= random.random()
        count += 1
    return count


def binomial(random: Random, count: int, share: float) -> int:
    """How many of `count` it happens to; of few and rare ones quickly."""
    if count * share < 5 and share < 0.1:
        return min(count, poisson(random, count * share))
    return sum([random.random() < share for _ in range(count)])
