"""What scores say: their mean and how sure it is. Scores are summed up in millionths, exactly."""

import math
from dataclasses import dataclass

from schemas.feedback import MILLION

Z = 1.959963984540054
"""95 % of a normal distribution lie within so many standard deviations of its mean."""

FEW = 30


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean from 0 to 1 and its 95 % confidence interval."""

    mean: float
    low: float
    high: float


def mean_of(n: int, total: int, squares: int) -> Mean | None:
    """The mean of `n` scores by their sum and the sum of their squares, in millionths; None of none.

    The interval is Wilson's where all scores are 0 or 1. It is so too for fewer than 30 others, for which it is wide
    enough, since nothing between 0 and 1 varies more than zeros and ones do; else it is the normal one.
    """
    if n <= 0:
        return None
    mean = total / (n * MILLION)
    only_zeros_and_ones = squares == total * MILLION
    if only_zeros_and_ones or n < FEW:
        return Mean(mean, *_wilson(n, mean))
    variance = max(0.0, (n * squares - total * total) / (n * (n - 1) * MILLION * MILLION))
    half = Z * math.sqrt(variance / n)
    return Mean(mean, max(0.0, mean - half), min(1.0, mean + half))


def _wilson(n: int, mean: float) -> tuple[float, float]:
    """E. B. Wilson, Probable inference, the law of succession, and statistical inference (1927)."""
    scale = 1 + Z * Z / n
    middle = (mean + Z * Z / (2 * n)) / scale
    half = Z / scale * math.sqrt(mean * (1 - mean) / n + Z * Z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)
