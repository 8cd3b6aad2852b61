"""What is said of a figure in the last blocks, and what is learnt from them.

What a tenant spends is judged by its drivers, calls, tokens a call and the price of a token: dollars are noisy where
tokens vary. The price alone is enough, because it hardly varies. Latency is judged by all calls, not by the slowest of
them, and at the usual length of answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

from observatory.rules.anomalies.baseline import Baseline, learn, learn_noise
from observatory.rules.anomalies.evidence import (
    SPAN,
    WEAKEST,
    call_deviation,
    error_deviation,
    together,
    witnesses,
)
from observatory.rules.anomalies.limits import Limits
from observatory.rules.anomalies.series import Block, Counted, Crowding, Errors

ERROR_MEMORY_S = 6 * 3600
DOUBT_CALLS, DOUBT_RATE = 50.0, 0.01
"""What is thought of the error rate before anything is known."""


DRIFT = 0.02
"""The variance of the log of calls within minutes that is nothing strange."""

CROWD_MEMORY, MOST_CROWD = 4000, 50.0
"""Where calls come in crowds the square of a deviation is now and then very large, and that must be known."""

AGREE = 2.4
"""So many deviations a block may stay behind the others by chance."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`raises`: it is an alarm; `holds`: it keeps one up."""

    raises: bool
    holds: bool
    deviations: float

    def __or__(self, other: "Verdict") -> "Verdict":
        """Either is enough."""
        return Verdict(self.raises or other.raises, self.holds or other.holds, max(self.deviations, other.deviations))


QUIET = Verdict(False, False, 0.0)


def rate_stray(level: float, seen: float, windows: int, one: float) -> float:
    """The stray of an amount per window from its level; `one` call's worth on both sides tames what is rare."""
    return log((seen + one) / (exp(level) * windows + one))


def judge(base: Baseline, least: float, most: float, limits: Limits) -> Verdict:
    """Judges a figure by itself: it is an alarm from the factor `least` and `most` deviations on."""
    bound, raises, deviations = log(least), False, base.deviations
    if base.taken and WEAKEST * base.taken[-1].stray >= bound:
        for blocks in witnesses(base, limits.lasting_s):
            stray, sure = together(base, blocks)
            raises |= stray >= bound and sure >= most
            deviations = max(deviations, sure)
    return Verdict(raises, base.stray >= bound / 2 and base.deviations >= limits.calm_deviations, deviations)


def judge_spent(cost: Baseline, least: float, drivers: Sequence[tuple[float, float]], limits: Limits) -> Verdict:
    """Judges what is spent in a time. A driver, given as its deviations and how many are sure, must be sure of it."""
    verdict = judge(cost, least, limits.own_deviations, limits)
    sure = any(deviations >= most for deviations, most in drivers)
    most = max([deviations for deviations, _ in drivers])
    return Verdict(verdict.raises and sure, verdict.holds, most)


def take_in(base: Baseline, at_s: int, span_s: int) -> None:
    """Learns from the last block, which was taken up, and from the last blocks together."""
    last = base.taken[-1]
    learn(base, last.stray, last.weight, at_s, span_s)
    if len(base.taken) == SPAN:
        learn_noise(base, base.weight)


def more_calls(level: float, blocks: Sequence[Block]) -> tuple[float, bool]:
    """How many deviations calls are above the expected ones in all blocks but the busiest; whether they agree on it.

    Beyond Poisson's noise and a usual drift; `Crowding` knows how much further those of this series go.
    """
    if len(blocks) < SPAN:
        return 0.0, False
    busiest = max(blocks, key=_calls_a_window)
    fewer = [block for block in blocks if block is not busiest]
    calls, windows = sum([block.calls for block in fewer]), sum([block.windows for block in fewer])
    usual = exp(level) * windows
    deviation = call_deviation(calls, usual) / sqrt(1 + DRIFT * usual)
    fewest = min(fewer, key=_calls_a_window)
    share = calls * fewest.windows / windows
    agree = fewest.calls * WEAKEST >= share or call_deviation(fewest.calls, share) >= -AGREE
    return max(0.0, deviation), agree


def learn_crowding(known: Crowding, deviation: float) -> None:
    """Takes in what `more_calls` found. It is never below 0, so that its square counts twice."""
    known.blocks += 1
    gain = 1 / (30 + min(known.blocks, CROWD_MEMORY))
    surprise = min(2 * deviation * deviation, MOST_CROWD * known.square)
    known.square = max(1.0, known.square + gain * (surprise - known.square))


def _calls_a_window(block: Block) -> float:
    return block.calls / block.windows


def judge_errors(known: Errors, block: Block, end_s: int, least: float, limits: Limits) -> Verdict:
    """As `judge`, of the errors among a block's calls."""
    counts = known.counts
    counts.append(Counted(block.calls, block.errors, block.start_s, end_s))
    if len(counts) > SPAN:
        del counts[0]
    usual = usual_rate(known)
    calls, errors = _sums(counts)
    if not errors:
        return QUIET
    bound = max(usual + least, 2 * usual)
    together = error_deviation(errors, calls, usual) / known.scale
    holds = errors / calls >= (usual + bound) / 2 and together >= limits.calm_deviations
    raises = False
    if judged := _judged(counts, limits.lasting_s):
        calls, errors = _sums(judged)
        deviations = error_deviation(errors, calls, usual) / known.scale
        raises = errors >= limits.errors and errors / calls >= bound and deviations >= limits.deviations
        together = max(together, deviations)
        better = _sums(sorted(judged, key=_rate)[: len(judged) // 2])
        raises &= better[1] / better[0] >= max(bound, errors / calls / 2)
        raises &= error_deviation(better[1], better[0], usual) / known.scale >= limits.deviations / 2
    return Verdict(raises, holds, together)


def _judged(counts: Sequence[Counted], lasting_s: int) -> Sequence[Counted]:
    """The last blocks, as few as last long enough, if errors begin and end them and all agree; else none."""
    for number in range(2, len(counts) + 1):
        some = counts[-number:]
        if some[-1].end_s - some[0].start_s >= lasting_s:
            return some if some[0].errors and some[-1].errors and _agree(some) else ()
    return ()


def _agree(counts: Sequence[Counted]) -> bool:
    """Whether none has much fewer errors than all of them, or it may be chance."""
    calls, errors = _sums(counts)
    share = errors / calls
    return share == 1 or all(
        _rate(count) * WEAKEST >= share or error_deviation(count.errors, count.calls, share) >= -AGREE
        for count in counts
    )


def usual_rate(known: Errors) -> float:
    """The share of calls that usually fail."""
    return (known.errors + DOUBT_CALLS * DOUBT_RATE) / (known.calls + DOUBT_CALLS)


def take_in_errors(known: Errors, block: Block, span_s: int) -> None:
    """Learns from the last block; of errors no more than noise explains."""
    usual = usual_rate(known)
    calls, errors = _sums(known.counts)
    deviation = max(0.0, min(error_deviation(errors, calls, usual), 4 * known.scale))
    known.scale = max(1.0, known.scale + (2.5 * deviation - known.scale) / 2000)
    fade = 0.5 ** (span_s / ERROR_MEMORY_S)
    most = usual * block.calls + 2 * sqrt(usual * block.calls) + 0.5
    known.errors = known.errors * fade + min(block.errors, most)
    known.calls = known.calls * fade + block.calls


def _sums(counts: Sequence[Counted]) -> tuple[int, int]:
    return sum([count.calls for count in counts]), sum([count.errors for count in counts])


def _rate(count: Counted) -> float:
    return count.errors / count.calls
