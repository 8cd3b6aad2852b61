"""From how much traffic on a fault can be told from chance within a minute, by what the traffic is, not by who looks.

Detection takes place in whole windows of ten seconds, and twenty seconds of anything belong to what is usual: of a
minute there are three windows, half of its calls, to be sure in. Sure is what chance does less than once in a week of
windows, five deviations or so; 19 of 20 faults are that far out if they are 1.645 deviations further on average. So
many calls it takes, going by the variance of one call and by what drifts in common. A window must have calls to speak.
"""

from collections.abc import Mapping, Sequence
from math import log
from random import Random
from statistics import fmean, variance

from observatory.rules.anomalies.limits import USUAL_LIMITS
from observatory.rules.anomalies.windows import WINDOW_S
from tests.observatory.rules.anomalies.faults import FACTOR, FaultKind

CALLS_A_BLOCK = 4
MINUTE = 60 // WINDOW_S
POWER = 1.645
NEVER = 10**9
COMMON = 0.003
"""The variance of what is common to the calls of a minute, a drift of 5 %; of their number 0.02."""

DRIFT = 0.02
SAMPLES, SAMPLE = 300, 30

Timed = tuple[int, int, float]
"""A call's tokens of input and output, and its log of milliseconds."""


def calls_needed(
    calls: Sequence[Timed], crowding: float, usd: tuple[float, float], random: Random
) -> dict[FaultKind, int]:
    """A minute, for each kind of fault.

    `crowding`: how many times Poisson's the variance of the number of calls in half a minute is. `usd`: what a token of
    input and of output costs.
    """
    samples = [_sample(calls, random) for _ in range(SAMPLES)]
    tokens = [log(sum(call[0] + call[1] for call in sample) / SAMPLE) for sample in samples]
    prices = [
        log(sum(call[0] * usd[0] + call[1] * usd[1] for call in sample) / sum(call[0] + call[1] for call in sample))
        for sample in samples
    ]
    lengths = [log(sum(call[1] for call in sample) / SAMPLE) for sample in samples]
    latencies = [fmean(call[2] for call in sample) for sample in samples]
    limits = USUAL_LIMITS
    enough: Mapping[FaultKind, float] = {
        "price": _for_mean(variance(prices) * SAMPLE, FACTOR["price"], limits.deviations),
        "tokens": _for_mean(variance(tokens) * SAMPLE, FACTOR["tokens"], limits.heavy_deviations),
        "latency": _for_mean(_rest(lengths, latencies) * SAMPLE, FACTOR["latency"], limits.latency_deviations),
        "calls": _for_count(crowding, FACTOR["calls"], limits.call_deviations),
        "errors": 0.0,
    }
    return {kind: max(CALLS_A_BLOCK * MINUTE, round(min(2 * half, NEVER))) for kind, half in enough.items()}


def _for_mean(noise: float, factor: float, deviations: float) -> float:
    """Calls until the mean of logs, each of variance `noise`, is surely seen to have moved."""
    most = (log(factor) / (deviations + POWER)) ** 2
    return noise / (most - COMMON) if most > COMMON else float("inf")


def _for_count(crowding: float, factor: float, deviations: float) -> float:
    """Calls, usually, until so many times more are surely not chance."""
    each = 2 * (factor * log(factor) - factor + 1)
    sure = (deviations + POWER) ** 2 * crowding
    return sure / (each - DRIFT * sure) if each > DRIFT * sure else float("inf")


def _sample(calls: Sequence[Timed], random: Random) -> Sequence[Timed]:
    first = random.randrange(len(calls) - SAMPLE)
    return calls[first : first + SAMPLE]


def _rest(xs: Sequence[float], ys: Sequence[float]) -> float:
    """The variance of ys that a line over xs leaves."""
    mean_x, mean_y = fmean(xs), fmean(ys)
    square = sum((x - mean_x) ** 2 for x in xs)
    product = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    slope = product / square if square else 0.0
    return variance([y - slope * x for x, y in zip(xs, ys, strict=True)])
