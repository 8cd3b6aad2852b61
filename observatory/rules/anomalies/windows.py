"""What a series is told: some seconds of one tenant's calls to one model, ten if nothing else is set, added up."""

from collections.abc import Sequence
from decimal import Decimal
from math import log

import msgspec

from observatory.rules.sketch import quantile, unpack, value_of

WINDOW_S = 10
LEAST_MS = 1e-3


class Window(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The calls recorded in a few seconds from `start_s` on, seconds since the epoch.

    `tokens` counts input and output, `output_tokens` the latter alone. Of the `timed` calls, those with a latency: the
    mean of its logarithm and its 95th percentile, in milliseconds.
    """

    start_s: int
    calls: int = 0
    errors: int = 0
    tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    timed: int = 0
    mean_log_ms: float = 0.0
    p95_ms: float = 0.0


def window_of(
    start_s: int,
    *,
    calls: int,
    errors: int,
    tokens: int,
    output_tokens: int,
    cost_usd: Decimal,
    latency: Sequence[int],
) -> Window:
    """The window whose latencies are a packed histogram of `rules.sketch`."""
    counts = {index: count for index, count in unpack(latency).items() if count > 0}
    timed = sum(counts.values())
    logs = sum(count * log(max(value_of(index), LEAST_MS)) for index, count in counts.items())
    return Window(
        start_s=start_s, calls=calls, errors=errors, tokens=tokens, output_tokens=output_tokens, cost_usd=cost_usd,
        timed=timed, mean_log_ms=logs / timed if timed else 0.0,
        p95_ms=quantile(latency, 0.95) or 0.0,
    )  # fmt: skip
