"""Whether the last blocks of a figure, taken together, stray from the usual: by much, surely, and for long enough.

A burst of twenty seconds belongs to what is usual, wherever in its windows it falls. So blocks say together no more
than one and a half times what the weakest of them does, and they last for forty seconds; or they are four of which the
one that strays most is left out. Where traffic is sparse two blocks are enough if they lie far enough apart.
"""

from math import copysign, log, sqrt

from observatory.rules.anomalies.baseline import Baseline, Taken, variance

SPAN = 4
"""Blocks that are looked at together: what began just after a window's start is seen within 50 seconds."""

MOST_STRAY = 1.2
"""What one block can say at most, thrice the usual and a little: one monstrous call among many is no more than that."""

WEAKEST = 1.5


def take_up(base: Baseline, taken: Taken) -> None:
    """Adds a block to the evidence, forgets the one that is too old, and sums up all but the one that strays most."""
    base.taken.append(taken)
    if len(base.taken) > SPAN:
        del base.taken[0]
    base.weight, moved = _sum(others(base))
    base.stray = moved / base.weight
    base.deviations = base.stray / sqrt(variance(base, base.weight))


def others(base: Baseline) -> list[Taken]:
    """The last blocks without the one that strays most."""
    own = base.taken
    if len(own) < SPAN:
        return own
    most = own[0]
    for one in own:
        if one.stray > most.stray:
            most = one
    return [one for one in own if one is not most]


def witnesses(base: Baseline, lasting_s: int) -> list[list[Taken]]:
    """Which blocks may raise an alarm together: the last few if they last, and all but one of the last four."""
    own = base.taken
    found = [own[-count:] for count in range(2, len(own) + 1) if own[-1].end_s - own[-count].start_s >= lasting_s][:1]
    if len(own) == SPAN:
        found.append(others(base))
    return found


def together(base: Baseline, blocks: list[Taken]) -> tuple[float, float]:
    """(stray, deviations) of blocks none of which says much more than the weakest."""
    weight, moved = _sum(blocks)
    stray = min(moved / weight, WEAKEST * min([one.stray for one in blocks]))
    return stray, stray / sqrt(variance(base, weight))


def _sum(blocks: list[Taken]) -> tuple[float, float]:
    weight = moved = 0.0
    for one in blocks:
        weight += one.weight
        moved += one.weight * (one.stray if one.stray < MOST_STRAY else MOST_STRAY)
    return weight, moved


def call_deviation(calls: int, expected: float) -> float:
    """How many deviations `calls` are from what is `expected`: the signed root of the Poisson deviance.

    By Chernoff's bound at most exp(-d^2 / 2) of all such counts go as far as d, for however few calls.
    """
    gap = expected - calls + (calls * log(calls / expected) if calls else 0.0)
    return copysign(sqrt(2 * max(0.0, gap)), calls - expected)


def error_deviation(errors: int, calls: int, usual: float) -> float:
    """How many deviations `errors` of `calls` are from the `usual` rate: the signed root of the binomial deviance.

    The same bound holds.
    """
    if calls == 0:
        return 0.0
    seen = errors / calls
    gap = errors * log(seen / usual) if errors else 0.0
    if errors < calls:
        gap += (calls - errors) * log((1 - seen) / (1 - usual))
    return copysign(sqrt(2 * max(0.0, gap)), seen - usual)
