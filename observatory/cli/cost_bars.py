"""What groups cost, side by side as bars: for a terminal, beside the table that has all digits."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from observatory.cli.bars import bar

MOST_BARS = 20
LONGEST_BAR = 60
_SHARE = 7
_LONGEST_NAME = 32
_SHORTEST_BAR = 8


def cost_bars(costs: Sequence[tuple[str, Decimal]], total: Decimal, width: int, *, blocks: bool) -> list[str]:
    """A line for each of the first groups: its name, a bar against the dearest, its share of the total.

    No line is longer than `width`. Nothing where nothing was spent, there is one group, or no room for bars.
    """
    shown = costs[:MOST_BARS]
    dearest = max((cost for _, cost in shown), default=Decimal(0))
    longest = min(_LONGEST_NAME, max((len(name) for name, _ in shown), default=0))
    room = min(LONGEST_BAR, width - longest - _SHARE - 2)
    if len(shown) < 2 or dearest <= 0 or total <= 0 or room < _SHORTEST_BAR:
        return []
    lines = []
    for name, cost in shown:
        drawn = bar(cost, dearest, room, blocks=blocks)
        tenths = round(1000 * Fraction(cost) / Fraction(total))
        percent = f"{Decimal(tenths).scaleb(-1)}%"
        lines.append(f"{_clipped(name, longest, blocks=blocks):<{longest}}  {drawn:<{room}}{percent:>{_SHARE}}")
    return lines


def _clipped(name: str, longest: int, *, blocks: bool) -> str:
    return name if len(name) <= longest else name[: longest - 1] + ("…" if blocks else "~")
