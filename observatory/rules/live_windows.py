"""What the one-second windows of `metrics.live` say about now: rates and percentiles over the last seconds. Pure.

A window comes again as it grows; the highest revision of each second holds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property

from observatory.rules.money import MONEY, ZERO
from observatory.rules.sketch import merge, quantile
from schemas.metrics import MetricsWindow, WindowSums

KEEP_S = 180
HOUR_S = 3600


@dataclass(frozen=True)
class LiveFigures:
    """Sums over so many seconds; durations in ms, rates a second, money in US dollars."""

    seconds: int
    calls: int
    errors: int
    unpriced_calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal
    latency_ms_hist: Sequence[int]
    ttft_ms_hist: Sequence[int]

    @property
    def calls_per_s(self) -> float:
        return self.calls / self.seconds

    @property
    def tokens_per_s(self) -> float:
        return (self.input_tokens + self.output_tokens) / self.seconds

    @property
    def error_rate(self) -> float | None:
        """From 0 to 1; None without calls."""
        return self.errors / self.calls if self.calls else None

    @cached_property
    def usd_per_hour(self) -> Decimal:
        """At this pace, exact: the seconds have to divide an hour."""
        times = Fraction(HOUR_S, self.seconds)
        assert times.denominator == 1, "choose seconds that divide an hour"
        return MONEY.multiply(self.cost_usd, Decimal(times.numerator))

    def latency_ms(self, p: float) -> float | None:
        """The latency that a share `p` of the calls does not exceed."""
        return quantile(self.latency_ms_hist, p)

    def ttft_ms(self, p: float) -> float | None:
        """The same of the time to the first token."""
        return quantile(self.ttft_ms_hist, p)


class LiveWindows:
    """The windows of one tenant in the last minutes."""

    def __init__(self) -> None:
        self._windows: dict[int, MetricsWindow] = {}
        self.newest: int | None = None

    def take(self, window: MetricsWindow) -> None:
        """Notes a window; an older revision of one that is known changes nothing."""
        second = int(window.window_start.timestamp())
        known = self._windows.get(second)
        if known is None or window.revision > known.revision:
            self._windows[second] = window
        if self.newest is None or second > self.newest:
            self.newest = second
            self._windows = {at: kept for at, kept in self._windows.items() if at > second - KEEP_S}

    def whole(self, end: int, seconds: int) -> LiveFigures:
        """Everything in the `seconds` before the second `end`."""
        return _sum(self._between(end, seconds), seconds)

    def by_model(self, end: int, seconds: int) -> Mapping[tuple[str, ...], LiveFigures]:
        """The same by provider and model."""
        parts: dict[tuple[str, ...], list[WindowSums]] = {}
        for window in self._between(end, seconds):
            for model in window.models:
                parts.setdefault((model.provider, model.model), []).append(model)
        return {name: _sum(some, seconds) for name, some in parts.items()}

    def calls_by_second(self, end: int, seconds: int) -> list[int]:
        """Calls of each of these seconds, the oldest first."""
        found = {at: window.calls for at, window in self._windows.items()}
        return [found.get(second, 0) for second in range(end - seconds, end)]

    def _between(self, end: int, seconds: int) -> list[MetricsWindow]:
        return [window for at, window in self._windows.items() if end - seconds <= at < end]


def _sum(some: Iterable[WindowSums], seconds: int) -> LiveFigures:
    each, cost = list(some), ZERO
    for one in each:
        cost = MONEY.add(cost, one.cost_usd)
    return LiveFigures(
        seconds=seconds,
        calls=sum(one.calls for one in each),
        errors=sum(one.errors for one in each),
        unpriced_calls=sum(one.unpriced_calls for one in each),
        input_tokens=sum(one.input_tokens for one in each),
        output_tokens=sum(one.output_tokens for one in each),
        cost_usd=cost,
        latency_ms_hist=merge(*(one.latency_ms_hist for one in each)),
        ttft_ms_hist=merge(*(one.ttft_ms_hist for one in each)),
    )
