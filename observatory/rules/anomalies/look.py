"""How a figure stands over the last blocks, for people: what is seen, what was to be expected."""

from dataclasses import dataclass
from math import exp

from observatory.rules.anomalies.judging import usual_rate
from observatory.rules.anomalies.lengths import excess, length_of
from observatory.rules.anomalies.series import Metric, Series


@dataclass(frozen=True, slots=True)
class Look:
    """In the metric's unit: US dollars a window (an estimate, not money to be shown), a share, ms, tokens."""

    seen: float
    expected: float

    @property
    def factor(self) -> float:
        """How many times the expected is seen."""
        return self.seen / self.expected


def look(series: Series, metric: Metric) -> Look:
    """The last blocks of a series that has had calls. Latency is expected for answers as long as theirs."""
    blocks = series.blocks
    calls = max(1, sum(block.calls for block in blocks))
    if metric == "cost_rate":
        windows = sum(block.windows for block in blocks)
        return Look(sum(float(block.cost_usd) for block in blocks) / windows, exp(series.cost.level))
    if metric == "error_rate":
        return Look(sum(block.errors for block in blocks) / calls, usual_rate(series.errors))
    if metric == "tokens_per_call":
        return Look(sum(block.tokens for block in blocks) / calls, exp(series.tokens.level))
    timed = max(1, sum(block.timed for block in blocks))
    output = sum(block.output_tokens for block in blocks)
    served = sum(block.calls - block.errors for block in blocks)
    longer = excess(series.lengths, length_of(output, served))
    return Look(exp(sum(block.tail for block in blocks) / timed), exp(series.tail.level + longer))
