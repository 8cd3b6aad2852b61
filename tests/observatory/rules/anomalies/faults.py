"""What can go wrong with a series: the labels of an evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from observatory.rules.anomalies.series import Metric
from observatory.rules.anomalies.windows import WINDOW_S

FaultKind = Literal["price", "calls", "errors", "latency", "tokens"]

METRIC: Mapping[FaultKind, Metric] = {
    "price": "cost_rate", "calls": "cost_rate", "errors": "error_rate", "latency": "latency_p95",
    "tokens": "tokens_per_call",
}  # fmt: skip
FACTOR: Mapping[FaultKind, float] = {"price": 3, "calls": 3, "errors": 0.5, "latency": 1.6, "tokens": 2.5}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """From second `at_s` of the series on, for `for_s` seconds; a factor, of errors the share of calls that fail.

    `price`: a token costs so many times more; `calls`: there are so many times more.
    """

    kind: FaultKind
    at_s: int
    for_s: int
    factor: float


@dataclass(slots=True)
class Effect:
    """What all faults together do to a window."""

    calls: float = 1.0
    price: Decimal = Decimal(1)
    failing: float = 0.0
    slow: float = 1.0
    tokens: float = 1.0


def effect_of(faults: Sequence[Fault], at_s: int) -> Effect:
    """On the window that begins at second `at_s`; one that a fault meets in part is changed in part."""
    effect = Effect()
    for fault in faults:
        part = (min(at_s + WINDOW_S, fault.at_s + fault.for_s) - max(at_s, fault.at_s)) / WINDOW_S
        if part <= 0:
            continue
        factor = 1 + (fault.factor - 1) * part
        match fault.kind:
            case "calls":
                effect.calls *= factor
            case "price":
                effect.price *= Decimal(factor)
            case "errors":
                effect.failing = max(effect.failing, fault.factor * part)
            case "latency":
                effect.slow *= factor
            case "tokens":
                effect.tokens *= factor
    return effect
