"""Is the traffic split as configured? A sequential multinomial test, valid however often it is looked at.

The Bayes factor of "any split" (Dirichlet, centred at the configured one) against "the configured split" is a
martingale while the split is right (Lindon, Malek: Anytime-valid inference for multinomial count data, NeurIPS 2022).
"""

from collections.abc import Mapping
from math import exp, inf, lgamma, log

LEVEL = 0.001
"""A split is doubted below: then something is broken, and no other figure of the experiment can be believed."""

CONCENTRATION = 100.0
"""How near to the configured split a wrong one is expected: some 5 points around one half."""


def split_p_value(units: Mapping[str, int], weights: Mapping[str, int]) -> float:
    """Of units by variant; while the split is as configured, the chance that it is ever at most p is at most p."""
    whole = sum(weights.values())
    if any(count and not weights.get(name) for name, count in units.items()):
        return 0.0
    log_factor = lgamma(CONCENTRATION) - lgamma(CONCENTRATION + sum(units.values()))
    for name, weight in weights.items():
        if weight:
            share, count = weight / whole, units.get(name, 0)
            log_factor += lgamma(CONCENTRATION * share + count) - lgamma(CONCENTRATION * share) - count * log(share)
    return exp(-max(log_factor, 0.0)) if log_factor < inf else 0.0
