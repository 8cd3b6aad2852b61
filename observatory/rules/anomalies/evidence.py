"""Whether the last few blocks of a figure, taken together, stray from the usual: by much, surely, and all along."""

from math import log, sqrt

from observatory.rules.anomalies.baseline import Baseline, Strays, variance

SPAN = 4
"""Blocks that are looked at together: what began just after a window's start is seen within 50 seconds."""


def take_up(base: Baseline, weight: float, stray: float) -> None:
    """Adds the stray of a block of `weight` calls to the evidence, forgets the block that is too old, and sums up."""
    strays = base.strays
    strays.append((weight, min(stray, MOST_STRAY)))
    if len(strays) > SPAN:
        del strays[0]
    total = moved = 0.0
    for calls, by in strays:
        total += calls
        moved += calls * by
    base.stray = moved / total
    base.deviations = base.stray / sqrt(variance(base, total))


MOST_STRAY = 1.2
"""What one block can say at most, thrice the usual and a little: one monstrous call among many is no more than that."""


def weaker_half(strays: Strays) -> float:
    """The mean stray of those blocks that stray least: a burst of a block or two leaves it where it was."""
    least = sorted(strays, key=_stray)[: SPAN // 2]
    total = sum([weight for weight, _ in least])
    return sum([weight * stray for weight, stray in least]) / total if total > 0 else 0.0


def _stray(entry: tuple[float, float]) -> float:
    return entry[1]


def call_deviation(calls: int, expected: float) -> float:
    """How many deviations `calls` are above what is `expected`: the signed root of the Poisson deviance.

    By Chernoff's bound at most exp(-d^2 / 2) of all such counts reach a deviation d, for however few calls.
    """
    if calls <= expected:
        return 0.0
    return sqrt(2 * (calls * log(calls / expected) - calls + expected))


def error_deviation(errors: int, calls: int, usual: float) -> float:
    """How many deviations `errors` of `calls` are above the `usual` rate: the signed root of the binomial deviance.

    The same bound holds.
    """
    if calls == 0 or errors <= usual * calls:
        return 0.0
    seen = errors / calls
    gap = errors * log(seen / usual)
    if errors < calls:
        gap += (calls - errors) * log((1 - seen) / (1 - usual))
    return sqrt(2 * gap)
