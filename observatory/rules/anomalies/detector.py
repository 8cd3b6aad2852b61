"""One step of a series: a window in, alarms raised or resolved out. No clock, no randomness, nothing outside."""

from collections.abc import Callable
from dataclasses import replace
from math import exp, log, sqrt

from observatory.rules.anomalies.baseline import Baseline, Taken, begin, carry, leap, move
from observatory.rules.anomalies.evidence import SPAN, take_up
from observatory.rules.anomalies.judging import (
    Verdict,
    judge,
    judge_errors,
    judge_spent,
    learn_crowding,
    more_calls,
    rate_stray,
    take_in,
    take_in_errors,
)
from observatory.rules.anomalies.lengths import excess, learn_lengths, length_of
from observatory.rules.anomalies.limits import USUAL_LIMITS, Limits
from observatory.rules.anomalies.look import look
from observatory.rules.anomalies.series import (
    METRICS,
    VERSION,
    Block,
    Change,
    Metric,
    Raised,
    Reason,
    Resolved,
    Series,
    Spent,
    Standing,
)
from observatory.rules.anomalies.windows import LEAST_MS, Window
from observatory.rules.money import MONEY, total

BLOCK_CALLS, BLOCK_WINDOWS = 4, 30
"""A block ends with so many calls, seen or expected, or windows: few calls are waited for, not judged one by one."""

SPENT_PERIOD_S = 3600
FEWEST, LEAST_USD = 0.1, 1e-12
"""What a first block without calls, or free of charge, is taken for."""


def new_series(start_s: int, limits: Limits = USUAL_LIMITS) -> Series:
    """A series of which nothing is known before this second."""
    return Series(
        version=VERSION,
        window_s=limits.window_s,
        until_s=start_s,
        begun_s=start_s,
        active_s=start_s,
        block=Block(start_s=start_s),
    )


def step(series: Series, window: Window, limits: Limits = USUAL_LIMITS) -> list[Change]:
    """Takes the next window in, which changes `series`, and tells what begins and what is over.

    Windows are as long as the limits say, and come in order; one that was taken in already is ignored, and over a gap
    nothing is concluded.
    """
    if window.start_s < series.until_s:
        return []
    if window.start_s > series.until_s:
        _bridge(series, window.start_s)
    block = series.block
    series.until_s = window.start_s + limits.window_s
    block.windows += 1
    if window.calls or window.cost_usd:
        _add(series, block, window)
    changes: list[Change] = []
    if series.alarms and series.until_s - series.active_s >= limits.silent_s:
        changes += [_resolve(series, metric, "no calls") for metric in METRICS if metric in series.alarms]
    if block.calls >= BLOCK_CALLS or block.windows >= BLOCK_WINDOWS or _expected(series, block) >= BLOCK_CALLS:
        _judge(series, block, limits, changes)
        series.block = Block(start_s=series.until_s)
    return changes


def _add(series: Series, block: Block, window: Window) -> None:
    series.active_s = series.until_s
    block.calls += window.calls
    block.errors += window.errors
    block.tokens += window.tokens
    block.output_tokens += window.output_tokens
    block.cost_usd = MONEY.add(block.cost_usd, window.cost_usd)
    if window.timed:
        block.timed += window.timed
        block.body += window.timed * window.mean_log_ms
        block.tail += window.timed * log(max(window.p95_ms, LEAST_MS))


def _expected(series: Series, block: Block) -> float:
    """How many calls a block would have."""
    return exp(series.calls.level) * block.windows if series.calls.blocks else 0.0


def _bridge(series: Series, start_s: int) -> None:
    for base in bases(series):
        leap(base, series.until_s, start_s)
    series.block, series.blocks, series.errors.counts = Block(start_s=start_s), [], []


def bases(series: Series) -> tuple[Baseline, ...]:
    """All baselines of a series."""
    return series.calls, series.cost, series.tokens, series.price, series.body, series.tail


BASES: dict[Metric, Callable[[Series], tuple[Baseline, ...]]] = {
    "cost_rate": lambda series: (series.calls, series.cost, series.price),
    "latency_p95": lambda series: (series.body, series.tail),
    "tokens_per_call": lambda series: (series.tokens,),
}
"""What learns of a figure, and does not while an alarm of it stands."""


def _judge(series: Series, block: Block, limits: Limits, changes: list[Change]) -> None:
    """All figures of a block that has ended."""
    series.blocks.append(block)
    if len(series.blocks) > SPAN:
        _pass_by(series, series.blocks.pop(0), limits)
    series.seen_calls += block.calls
    for base in bases(series):
        carry(base, block.start_s, series.until_s)
    if block.calls:
        _take_up_tokens(series, block)
    _judge_cost(series, block, limits, changes)
    if block.calls:
        _judge_tokens(series, block, limits, changes)
        _judge_errors(series, block, limits, changes)
    if block.timed:
        _judge_latency(series, block, limits, changes)


def _pass_by(series: Series, block: Block, limits: Limits) -> None:
    """What a block cost that is looked at no more, as long as that is nothing strange."""
    if "cost_rate" in series.alarms:
        return
    if series.usual.seconds >= SPENT_PERIOD_S:
        series.usual_before, series.usual = series.usual, Spent()
    series.usual.usd = MONEY.add(series.usual.usd, block.cost_usd)
    series.usual.calls += block.calls
    series.usual.seconds += block.windows * limits.window_s


def _judge_cost(series: Series, block: Block, limits: Limits, changes: list[Change]) -> None:
    calls, cost, price, windows = series.calls, series.cost, series.price, block.windows
    spent = max(0.0, float(block.cost_usd))
    if not calls.blocks:
        begin(calls, log(max(block.calls, FEWEST) / windows))
        begin(cost, log(max(spent, LEAST_USD) / windows))
    expected = exp(calls.level) * windows
    call_usd = exp(cost.level - calls.level)
    _take_up(series, calls, expected + 1, rate_stray(calls.level, block.calls, windows, 1.0))
    _take_up(series, cost, expected + 1, rate_stray(cost.level, spent, windows, call_usd))
    least = limits.least["cost_rate"]
    crowd, agree = more_calls(calls.level, series.blocks)
    more = crowd / sqrt(series.crowding.square) if agree else 0.0
    drivers = (
        (more, limits.call_deviations),
        (price.deviations, limits.deviations),
        (series.tokens.deviations, limits.heavy_deviations),
        (cost.deviations, limits.heavy_deviations),
    )
    verdict = judge_spent(cost, least, drivers, limits)
    priced = judge(price, least, limits.deviations, limits)
    # Silence says nothing of the price: an alarm is kept up by what was seen last, but not raised by it.
    verdict |= priced if block.calls else replace(priced, raises=False)
    _settle(series, "cost_rate", verdict, limits, changes)
    if "cost_rate" in series.alarms:
        return
    learn_crowding(series.crowding, crowd)
    take_in(calls, series.until_s, windows * limits.window_s)
    take_in(cost, series.until_s, windows * limits.window_s)


def _take_up_tokens(series: Series, block: Block) -> None:
    _take_up_mean(series, series.tokens, block.calls, log(max(block.tokens, 1) / block.calls))
    spent = float(block.cost_usd)
    if spent > 0:
        _take_up_mean(series, series.price, block.calls, log(spent / max(block.tokens, 1)))


def _judge_tokens(series: Series, block: Block, limits: Limits, changes: list[Change]) -> None:
    verdict = judge(series.tokens, limits.least["tokens_per_call"], limits.heavy_deviations, limits)
    _settle(series, "tokens_per_call", verdict, limits, changes)
    span_s = block.windows * limits.window_s
    if "tokens_per_call" not in series.alarms:
        take_in(series.tokens, series.until_s, span_s)
    if "cost_rate" not in series.alarms and block.cost_usd > 0:
        take_in(series.price, series.until_s, span_s)


def _judge_latency(series: Series, block: Block, limits: Limits, changes: list[Change]) -> None:
    """By all calls, if the slowest are not faster than usual; by the slowest alone if they deviate by much."""
    body, tail, least = series.body, series.tail, limits.least["latency_p95"]
    length, log_ms = length_of(block.output_tokens, block.calls - block.errors), block.body / block.timed
    longer = excess(series.lengths, length)
    _take_up_mean(series, body, block.timed, log_ms - longer)
    _take_up_mean(series, tail, block.timed, block.tail / block.timed - longer)
    verdict = judge(tail, limits.least_of_slowest, limits.slowest_deviations, limits)
    if tail.stray >= log(least) / 2:
        verdict |= judge(body, least, limits.latency_deviations, limits)
    _settle(series, "latency_p95", verdict, limits, changes)
    if "latency_p95" not in series.alarms:
        learn_lengths(series.lengths, length, log_ms)
        take_in(body, series.until_s, block.windows * limits.window_s)
        take_in(tail, series.until_s, block.windows * limits.window_s)


def _take_up_mean(series: Series, base: Baseline, weight: int, value: float) -> None:
    if not base.blocks:
        begin(base, value)
    _take_up(series, base, weight, value - base.level)


def _take_up(series: Series, base: Baseline, weight: float, stray: float) -> None:
    take_up(base, Taken(weight, stray, series.block.start_s, series.until_s))


def _judge_errors(series: Series, block: Block, limits: Limits, changes: list[Change]) -> None:
    verdict = judge_errors(series.errors, block, series.until_s, limits.least["error_rate"], limits)
    _settle(series, "error_rate", verdict, limits, changes)
    if "error_rate" not in series.alarms:
        take_in_errors(series.errors, block, block.windows * limits.window_s)


def _settle(series: Series, metric: Metric, verdict: Verdict, limits: Limits, changes: list[Change]) -> None:
    """Raises what is new, resolves what has been calm for long enough or is the usual now."""
    standing = series.alarms.get(metric)
    if standing is None:
        if verdict.raises and _warm(series, limits):
            raised = _raised(series, metric, verdict)
            series.alarms[metric] = Standing(since_s=raised.since_s, raised_s=series.until_s, peak_factor=raised.factor)
            changes.append(raised)
        return
    standing.peak_factor = max(standing.peak_factor, look(series, metric).factor)
    standing.calm = 0 if verdict.holds else standing.calm + 1
    if standing.calm >= limits.calm_blocks:
        changes.append(_resolve(series, metric, "back to usual"))
    elif series.until_s - standing.raised_s >= limits.accepted_after_s:
        _accept(series, metric)
        changes.append(_resolve(series, metric, "now usual"))


def _warm(series: Series, limits: Limits) -> bool:
    seen_s = series.until_s - series.begun_s
    return seen_s >= limits.warm_up_s and series.seen_calls >= limits.warm_up_calls


def _resolve(series: Series, metric: Metric, reason: Reason) -> Resolved:
    standing = series.alarms.pop(metric)
    return Resolved(
        metric=metric, since_s=standing.since_s, until_s=series.until_s, reason=reason,
        peak_factor=standing.peak_factor,
    )  # fmt: skip


def _accept(series: Series, metric: Metric) -> None:
    """What was strange for so long is what is usual now."""
    if metric == "error_rate":
        counts = series.errors.counts
        seen = sum([count.errors for count in counts]) / sum([count.calls for count in counts])
        series.errors.errors = seen * series.errors.calls
        return
    for base in BASES[metric](series):
        move(base, base.stray)
        base.taken = []


def _raised(series: Series, metric: Metric, verdict: Verdict) -> Raised:
    found = look(series, metric)
    cost = metric == "cost_rate"
    return Raised(
        metric=metric, since_s=series.blocks[0].start_s, until_s=series.until_s, deviations=verdict.deviations,
        expected=MONEY.add(series.usual.usd, series.usual_before.usd) if cost else found.expected,
        seen=total(block.cost_usd for block in series.blocks) if cost else found.seen,
        factor=found.factor, calls=sum(block.calls for block in series.blocks),
        usual_s=series.usual.seconds + series.usual_before.seconds if cost else None,
        calls_factor=exp(series.calls.stray) if cost else None,
        price_factor=exp(series.price.stray) if cost else None,
    )  # fmt: skip
