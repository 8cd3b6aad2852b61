"""When a stray is worth a person's eye."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from observatory.rules.anomalies.series import Metric
from observatory.rules.anomalies.windows import WINDOW_S

LEAST: Mapping[Metric, float] = MappingProxyType(
    {"cost_rate": 1.9, "error_rate": 0.05, "latency_p95": 1.3, "tokens_per_call": 1.5}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When to speak, and when to fall silent again.

    `least` is the factor from which a stray matters to anybody, of errors the share of calls on top of the usual.
    """

    window_s: int = WINDOW_S
    warm_up_s: int = 3600
    warm_up_calls: int = 100
    deviations: float = 5.0
    call_deviations: float = 6.0
    latency_deviations: float = 4.5
    heavy_deviations: float = 5.5
    """Of figures whose noise has a heavy tail: dollars, tokens a call, the 95th percentile itself."""
    least_of_slowest: float = 2.0
    slowest_deviations: float = 8.0
    """Of the 95th percentile where most calls are as fast as ever."""
    own_deviations: float = 1.0
    calm_deviations: float = 1.0
    calm_blocks: int = 6
    least: Mapping[Metric, float] = field(default_factory=lambda: LEAST)
    errors: int = 5
    lasting_windows: int = 4
    """From the first to the last of the windows that say it together."""
    silent_s: int = 600
    accepted_after_s: int = 2 * 3600
    """A stray that lasts so long is what is usual now."""

    @property
    def lasting_s(self) -> int:
        """What is shorter is a burst."""
        return self.lasting_windows * self.window_s


USUAL_LIMITS = Limits()
