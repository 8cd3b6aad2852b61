"""What is said of a figure in the last blocks, and what is learnt from them.

A figure is judged by what it is itself (by how much it strays, surely and all along) and by its drivers: of what a
tenant spends calls, tokens a call and the price of a token, of the 95th percentile all latencies. It is enough that one
of them is sure: dollars are noisy where tokens vary, the price of a token is not.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import exp, log, sqrt

from observatory.rules.anomalies.baseline import Baseline, learn, learn_noise
from observatory.rules.anomalies.evidence import (
    SPAN,
    call_deviation,
    error_deviation,
    weaker_half,
)
from observatory.rules.anomalies.limits import Limits
from observatory.rules.anomalies.series import Block, Errors

ERROR_MEMORY_S = 6 * 3600
DOUBT_CALLS, DOUBT_RATE = 50.0, 0.01
"""What is thought of the error rate before anything is known."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`raises`: it is an alarm; `holds`: it keeps one up."""

    raises: bool
    holds: bool
    deviations: float


QUIET = Verdict(False, False, 0.0)


def rate_stray(level: float, seen: float, windows: int, one: float) -> float:
    """The stray of an amount per window from its level; `one` call's worth on both sides tames what is rare."""
    return log((seen + one) / (exp(level) * windows + one))


def judge(base: Baseline, least: float, sure: float, most: float, limits: Limits) -> Verdict:
    """Judges a figure: by its own stray and deviations, and by whether its `sure` driver deviates by `most` or more.

    Its own deviations are enough if they are many: their noise has a heavy tail.
    """
    own, bound = base.deviations, log(least)
    raises = (
        own >= limits.own_deviations
        and base.stray >= bound
        and (sure >= most or own >= limits.heavy_deviations)
        and len(base.strays) == SPAN
        and weaker_half(base.strays) >= bound * 2 / 3
    )
    return Verdict(raises, base.stray >= bound / 2 and own >= limits.calm_deviations, max(sure, own))


def take_in(base: Baseline, weight: float, at_s: int, span_s: int) -> None:
    """Learns from the last block, which was taken up, and from the last blocks together."""
    learn(base, base.strays[-1][1], weight, at_s, span_s)
    if len(base.strays) == SPAN:
        learn_noise(base, sum([calls for calls, _ in base.strays]))


def more_calls(base: Baseline, blocks: Iterable[Block], expected: float) -> float:
    """How many deviations calls are above the `expected` ones of a block, beyond their usual drift.

    The half of the blocks that has the fewest speaks for all: a burst of a block or two says nothing.
    """
    fewest = sorted([block.calls for block in blocks])[: SPAN // 2]
    usual = expected * len(fewest)
    return sqrt(2) * call_deviation(sum(fewest), usual) / sqrt(max(1.0, base.noise + base.common * usual))


def judge_errors(known: Errors, block: Block, least: float, limits: Limits) -> Verdict:
    """As `judge`, of the errors among a block's calls."""
    known.counts.append((block.calls, block.errors))
    if len(known.counts) > SPAN:
        del known.counts[0]
    usual = usual_rate(known)
    calls, errors = _sums(known)
    if not errors:
        return QUIET
    deviations = error_deviation(errors, calls, usual) / known.scale
    seen = errors / calls
    bound = max(usual + least, 2 * usual)
    middle = (usual + bound) / 2
    holds = seen >= middle and deviations >= limits.calm_deviations
    raises = (
        errors >= limits.errors
        and seen >= bound
        and deviations >= limits.deviations
        and len(known.counts) == SPAN
        and _weaker_deviation(known, usual) >= limits.deviations * 2 / 3
    )
    return Verdict(raises, holds, deviations)


def usual_rate(known: Errors) -> float:
    """The share of calls that usually fail."""
    return (known.errors + DOUBT_CALLS * DOUBT_RATE) / (known.calls + DOUBT_CALLS)


def take_in_errors(known: Errors, block: Block, span_s: int) -> None:
    """Learns from the last block; of errors no more than noise explains."""
    usual = usual_rate(known)
    calls, errors = _sums(known)
    deviation = min(error_deviation(errors, calls, usual), 4 * known.scale)
    known.scale = max(1.0, known.scale + (2.5 * deviation - known.scale) / 2000)
    fade = 0.5 ** (span_s / ERROR_MEMORY_S)
    most = usual * block.calls + 2 * sqrt(usual * block.calls) + 0.5
    known.errors = known.errors * fade + min(block.errors, most)
    known.calls = known.calls * fade + block.calls


def _sums(known: Errors) -> tuple[int, int]:
    return sum([calls for calls, _ in known.counts]), sum([errors for _, errors in known.counts])


def _weaker_deviation(known: Errors, usual: float) -> float:
    least = sorted(known.counts, key=_rate)[: SPAN // 2]
    return error_deviation(sum([errors for _, errors in least]), sum([calls for calls, _ in least]), usual)


def _rate(count: tuple[int, int]) -> float:
    return count[1] / count[0]
