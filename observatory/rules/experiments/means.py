"""Comparing means of any data at any time: asymptotic confidence sequences for a difference and for a ratio.

The normal mixture: the estimated difference behaves as a random walk around the true one, seen at its information,
whatever the data, from some number of units on (Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas: Time-uniform central
limit theory and asymptotic confidence sequences, Annals of Statistics 2024; as the mixture sequential probability ratio
test: Johari, Koomen, Pekelis, Walsh: Always valid inference, Operations Research 2022). The evidence against a value is
then a martingale, so the chance that it ever exceeds 1/level is at most the level: one may look as often as one likes
and stop when one likes. One observation is one unit's value, never one call's. Simulations show from how many units on
it holds, for costs with long tails, rare errors and uneven splits: see the tests.

Costs have long tails: a small sample that lacks the tail looks surer than it is. So the variance of the difference is
that of Welch or that of a common spread, whichever is greater; with equally many units the two are the same.
"""

from dataclasses import dataclass
from math import exp, inf, log, sqrt

TIGHTEST_AT = 1000
"""Units, of both variants together, at which the 95 % sequence is as tight as it can be made."""

_TIGHT = -2 * log(0.05)
RHO_2 = (_TIGHT + log(_TIGHT + 1)) / TIGHTEST_AT
"""The variance of the mixture, in variances of one unit's value."""

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Sample:
    """Units with a value, the mean of their values and their variance (of one value, unbiased)."""

    units: int
    mean: float
    variance: float


def sample(units: int, total: float, total_of_squares: float) -> Sample:
    """From sums over the units, of which there is at least one."""
    mean = total / units
    spread = max(total_of_squares - total * mean, 0.0)
    # What cancellation leaves of equal values is no spread.
    if spread <= 1e-12 * total_of_squares:
        spread = 0.0
    return Sample(units, mean, spread / (units - 1) if units > 1 else 0.0)


def log_evidence(control: Sample, variant: Sample, ratio: float = 1.0) -> float:
    """The logarithm of the evidence against "the variant's mean is `ratio` times the control's"."""
    difference = variant.mean - ratio * control.mean
    error_2 = max(
        variant.variance * on_variant + ratio**2 * control.variance * on_control
        for on_control, on_variant in _shares(control, variant)
    )
    known = RHO_2 * (control.units + variant.units)
    z_2 = difference**2 / error_2 if error_2 > 0 else inf if difference else 0.0
    return 0.5 * (known / (1 + known) * z_2 - log(1 + known))


def p_value(log_of_evidence: float) -> float:
    """Valid at every look: under the null hypothesis the chance that it is ever at most p is at most p."""
    return exp(-max(log_of_evidence, 0.0))


def difference(control: Sample, variant: Sample, level: float) -> Interval:
    """The confidence sequence of the variant's mean less the control's, as it stands now."""
    middle = variant.mean - control.mean
    error_2 = max(
        variant.variance * on_variant + control.variance * on_control
        for on_control, on_variant in _shares(control, variant)
    )
    radius = sqrt(error_2 * _radius_2(control.units + variant.units, level))
    return middle - radius, middle + radius


def ratio(control: Sample, variant: Sample, level: float) -> Interval | None:
    """The confidence sequence of the variant's mean divided by the control's: every ratio without enough evidence
    against it (Fieller's way). None where the control's mean may still be 0."""
    wide = _radius_2(control.units + variant.units, level)
    ends: list[float] = []
    for on_control, on_variant in _shares(control, variant):
        square = control.mean**2 - wide * control.variance * on_control
        product = control.mean * variant.mean
        constant = variant.mean**2 - wide * variant.variance * on_variant
        if square <= 0:
            return None
        root = sqrt(max(product * product - square * constant, 0.0))
        ends += [(product - root) / square, (product + root) / square]
    return min(ends), max(ends)


def _shares(control: Sample, variant: Sample) -> tuple[Interval, Interval]:
    """How much of each one's variance is in the variance of the difference: Welch's way; and as if the spread of both
    were one, where the variance of the larger sample tells that of the smaller one's mean."""
    own = 1 / control.units, 1 / variant.units
    return own, (own[1], own[0])


def _radius_2(units: int, level: float) -> float:
    """The square of how many standard errors the sequence reaches to each side."""
    known = RHO_2 * units
    return (1 + known) / known * (log(1 + known) - 2 * log(level))
