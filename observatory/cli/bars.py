"""Bars and small lines of text, in block characters where the terminal's encoding has them, else in plain ASCII."""

import sys
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

EIGHTHS = " ▏▎▍▌▋▊▉█"
LEVELS = "▁▂▃▄▅▆▇█"
ASCII_LEVELS = "_.:-=+*#"


def draws_blocks(encoding: str | None) -> bool:
    """Whether block characters can be written in this encoding."""
    try:
        (EIGHTHS + LEVELS).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def bar(part: Decimal, whole: Decimal, width: int, *, blocks: bool) -> str:
    """As much of `width` characters as the part is of the whole; nothing for nothing or less."""
    if part <= 0 or whole <= 0:
        return ""
    share = min(Fraction(1), Fraction(part) / Fraction(whole))
    if not blocks:
        return "#" * max(1, round(share * width))
    eighths = max(1, round(share * width * 8))
    return EIGHTHS[8] * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def levels(values: Sequence[int], width: int, *, blocks: bool) -> str:
    """One character for each of `width` stretches of the values, as high as its sum; the highest is full."""
    if not values:
        return ""
    bounds = [round(number * len(values) / width) for number in range(width + 1)]
    sums = [sum(values[begin:end]) for begin, end in pairwise(bounds)]
    most, steps = max(sums) or 1, LEVELS if blocks else ASCII_LEVELS
    return "".join(" " if not one else steps[min(len(steps) - 1, one * len(steps) // most)] for one in sums)


def stdout_draws_blocks() -> bool:
    """Whether standard output takes them."""
    return draws_blocks(sys.stdout.encoding)
