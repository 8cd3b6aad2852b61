"""What is usual for one figure of a series, learnt as it comes.

Everything is in natural logarithms, so a stray of 0.7 is a doubling, at night as at noon. Four things are learnt:

- the *levels*, Huberised moving averages of a short, a middle and a long memory: one block moves them by its noise at
  most, whatever the block says. Which of them foretells the next block best is found out by doing it; that one counts;
- the *profile*, the level's mean in each hour of a workday and of a weekend day. Only its slope is used: the levels are
  carried along it, the more the more often the hour was seen, so the first day is no worse off than without it;
- the *noise*: the variance of one call, which a mean of many averages away, and what is common to the calls of a block,
  which no number does.
"""

from math import expm1, log, sqrt

import msgspec

HALF_LIVES_S = (3 * 60, 12 * 60, 60 * 60)
"""Of what the levels remember; longer where calls are few."""

MIDDLE = 1
"""The level whose hourly means make the profile."""

CALLS_TO_LEARN = 5.0
"""A block of so many calls moves a level half as far as one of very many."""

CLIP = 1.5
"""Strays beyond so many deviations move a level no further."""

FIRST_NOISE, LEAST_NOISE = 1.0, 0.04
FIRST_COMMON, LEAST_COMMON = 0.003, 0.0004
MOST_SURPRISE = 12.0
"""Of the square of a deviation: one that is rarer says no more."""

NOISE_MEMORY = 4000
"""Blocks; half a day of a busy series."""

MISS_MEMORY = 1000
"""Blocks over which the levels are compared."""

HOURS = 48
_LN2 = log(2)
_MILLI = 1000.0
_LEARN_AT_LEAST = 0.25
_EARLY = 60


class Taken(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A block's share of the evidence: how far it strays, the weight of that in calls, and when it was."""

    weight: float
    stray: float
    start_s: int
    end_s: int


class Baseline(msgspec.Struct, kw_only=True, gc=False):
    """The usual of one figure. `blocks` counts what it was learnt from; the profile is in thousandths."""

    level: float = 0.0
    """The one that counts."""
    levels: list[float] = msgspec.field(default_factory=lambda: [0.0] * len(HALF_LIVES_S))
    misses: list[float] = msgspec.field(default_factory=lambda: [0.0] * len(HALF_LIVES_S))
    """The mean square, in variances, of what each level missed the next block by."""
    noise: float = FIRST_NOISE
    common: float = FIRST_COMMON
    blocks: int = 0
    profile: list[int] = msgspec.field(default_factory=lambda: [0] * HOURS)
    visits: list[int] = msgspec.field(default_factory=lambda: [0] * HOURS)
    hour: int = -1
    hour_sum: float = 0.0
    hour_blocks: int = 0
    slope: float = 0.0
    slope_until_s: int = 0
    taken: list[Taken] = []
    """Of the last blocks, oldest first."""
    weight: float = 0.0
    stray: float = 0.0
    deviations: float = 0.0
    """Of the last blocks taken together, as `evidence.take_up` found them."""


def begin(base: Baseline, value: float) -> None:
    """Takes the first value for the usual."""
    move(base, value - base.level)


def move(base: Baseline, by: float) -> None:
    """Moves what is usual."""
    base.level += by
    base.levels = [level + by for level in base.levels]


def leap(base: Baseline, from_s: int, to_s: int) -> None:
    """Moves the levels over a gap in which nothing was seen, from one hour of the profile to another."""
    here, there = slot(from_s // 3600), slot(to_s // 3600)
    seen = min(base.visits[here], base.visits[there])
    if seen:
        move(base, (base.profile[there] - base.profile[here]) / _MILLI * seen / (seen + 1))
    base.taken, base.stray, base.deviations = [], 0.0, 0.0


def carry(base: Baseline, from_s: int, to_s: int) -> None:
    """Moves the levels along the profile, from one moment to another."""
    if to_s >= base.slope_until_s:
        _look_up_slope(base, to_s)
    if base.slope:
        move(base, base.slope * (to_s - from_s))


def learn(base: Baseline, stray: float, weight: float, at_s: int, span_s: int) -> None:
    """Takes a block in: `stray` from the level, of `weight` calls, over `span_s` seconds that end at `at_s`."""
    base.blocks += 1
    share = weight / (weight + CALLS_TO_LEARN)
    own = variance(base, weight)
    early = base.blocks < _EARLY
    most = (2 * CLIP if early else CLIP) * sqrt(own) if base.blocks > 1 else abs(stray)
    value, levels, misses = base.level + stray, base.levels, base.misses
    forget = share / min(base.blocks, MISS_MEMORY)
    for place, half_life_s in enumerate(HALF_LIVES_S):
        miss = value - levels[place]
        square = miss * miss / own
        misses[place] += forget * ((square if square < MOST_SURPRISE else MOST_SURPRISE) - misses[place])
        gain = share * -expm1(-_LN2 * span_s / half_life_s)
        if early:
            gain = max(gain, share / base.blocks)
        levels[place] += gain * (most if miss > most else -most if miss < -most else miss)
    base.level = levels[misses.index(min(misses))]
    hour = at_s // 3600
    if hour != base.hour:
        _close_hour(base)
        base.hour = hour
    base.hour_sum += levels[MIDDLE]
    base.hour_blocks += 1


def variance(base: Baseline, weight: float) -> float:
    """Of a mean of so many calls."""
    return base.noise / weight + base.common


def learn_noise(base: Baseline, weight: float) -> None:
    """Takes in how far the last blocks, of `weight` calls, stray together.

    What is more or less than was to be expected changes both parts of the variance, each by its share of it.
    """
    own = base.noise / weight
    whole = own + base.common
    surprise = min(base.deviations * base.deviations, MOST_SURPRISE) - 1.0
    gain = surprise / (30 + min(base.blocks, NOISE_MEMORY))
    base.noise = max(LEAST_NOISE, base.noise * (1 + gain * own / whole))
    base.common = max(LEAST_COMMON, base.common * (1 + gain * base.common / whole))


def slot(hour: int) -> int:
    """The place of an hour since the epoch in the profile: workdays first, then the weekend (UTC)."""
    weekday = (hour // 24 + 3) % 7
    return hour % 24 + (24 if weekday >= 5 else 0)


def _close_hour(base: Baseline) -> None:
    if base.hour_blocks:
        place, mean = slot(base.hour), base.hour_sum / base.hour_blocks
        visits = base.visits[place]
        known = base.profile[place] / _MILLI if visits else mean
        gain = max(1.0 / (visits + 1), _LEARN_AT_LEAST)
        base.profile[place] = round((known + gain * (mean - known)) * _MILLI)
        base.visits[place] = min(visits + 1, 1000)
    base.hour_sum, base.hour_blocks = 0.0, 0


def _look_up_slope(base: Baseline, at_s: int) -> None:
    """Between the middles of two hours the profile is a line."""
    first = (at_s - 1800) // 3600
    base.slope_until_s = (first + 1) * 3600 + 1800
    here, there = slot(first), slot(first + 1)
    seen = min(base.visits[here], base.visits[there])
    rise = (base.profile[there] - base.profile[here]) / _MILLI if seen else 0.0
    base.slope = rise * seen / (seen + 1) / 3600
