"""The memory of one series: a few kilobytes of JSON, all that a detector knows between two windows."""

from decimal import Decimal
from typing import Literal

import msgspec

from observatory.rules.anomalies.baseline import Baseline
from observatory.rules.anomalies.lengths import Lengths

Metric = Literal["cost_rate", "error_rate", "latency_p95", "tokens_per_call"]
METRICS: tuple[Metric, ...] = ("cost_rate", "error_rate", "latency_p95", "tokens_per_call")

Reason = Literal["back to usual", "no calls", "now usual"]

VERSION = 2
"""Of what is remembered. What was remembered under another one is learnt anew."""


class Block(msgspec.Struct, kw_only=True, gc=False):
    """One window, or as many in a row as it takes to see a few calls. Of `timed` calls, sums of log milliseconds."""

    start_s: int
    windows: int = 0
    calls: int = 0
    errors: int = 0
    tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    timed: int = 0
    body: float = 0.0
    tail: float = 0.0


class Counted(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The calls of a block, and the errors among them."""

    calls: int
    errors: int
    start_s: int
    end_s: int


class Errors(msgspec.Struct, kw_only=True, gc=False):
    """Errors and calls that are remembered, fading, and the scale of the deviations that were seen."""

    errors: float = 0.0
    calls: float = 0.0
    scale: float = 1.0
    counts: list[Counted] = []
    """Of the last blocks that had calls, oldest first."""


class Crowding(msgspec.Struct, kw_only=True, gc=False):
    """How many times further than Poisson's noise and a usual drift explain calls stray: their mean square."""

    square: float = 4.0
    blocks: int = 0


class Spent(msgspec.Struct, kw_only=True, gc=False):
    """What was spent in windows without an alarm: an exact sum."""

    usd: Decimal = Decimal(0)
    calls: int = 0
    seconds: int = 0


class Standing(msgspec.Struct, kw_only=True, gc=False):
    """An alarm that stands; `calm` counts the blocks in a row that would not keep it up."""

    since_s: int
    raised_s: int
    calm: int = 0
    peak_factor: float


class Series(msgspec.Struct, kw_only=True, gc=False):
    """What is known of one tenant's model; `until_s` is where its last window ended."""

    version: int = 0
    window_s: int
    until_s: int
    begun_s: int
    active_s: int
    """When there were last calls."""
    seen_calls: int = 0
    block: Block
    blocks: list[Block] = []
    calls: Baseline = msgspec.field(default_factory=Baseline)
    crowding: Crowding = msgspec.field(default_factory=Crowding)
    cost: Baseline = msgspec.field(default_factory=Baseline)
    tokens: Baseline = msgspec.field(default_factory=Baseline)
    price: Baseline = msgspec.field(default_factory=Baseline)
    body: Baseline = msgspec.field(default_factory=Baseline)
    tail: Baseline = msgspec.field(default_factory=Baseline)
    lengths: Lengths = msgspec.field(default_factory=Lengths)
    errors: Errors = msgspec.field(default_factory=Errors)
    usual: Spent = msgspec.field(default_factory=Spent)
    usual_before: Spent = msgspec.field(default_factory=Spent)
    alarms: dict[str, Standing] = {}


class Raised(msgspec.Struct, frozen=True, kw_only=True):
    """A figure strays since `since_s`. `expected` and `seen` are in the metric's unit: USD, a share, ms, tokens.

    Of the cost rate `seen` is what the span from `since_s` to `until_s` cost, exactly, and `expected` what calls in
    `usual_s` seconds before cost, exactly: `factor` compares them, by statistics, with the time of day in it.
    """

    metric: Metric
    since_s: int
    until_s: int
    expected: Decimal | float
    seen: Decimal | float
    factor: float
    deviations: float
    calls: int
    usual_s: int | None = None
    calls_factor: float | None = None
    price_factor: float | None = None
    """How many times the usual a token costs."""


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm is over."""

    metric: Metric
    since_s: int
    until_s: int
    reason: Reason
    peak_factor: float


Change = Raised | Resolved
