"""Which series are watched when there are too many: those with traffic."""

from collections.abc import Mapping
from math import exp
from typing import TypeVar

from observatory.rules.anomalies.series import Series

MOST_SERIES = 1000
IDLE_S = 3600
"""A series without calls for so long is not gone through any more until it has some; its memory stays."""

MUCH_BUSIER = 10.0

Name = TypeVar("Name", bound=tuple[str, ...])


def who_leaves(calls: int, series: Mapping[Name, Series], now_s: int) -> Name | None:
    """Which series gives its place to a new one that had so many calls in its first window; None: none does.

    The one that is silent longest goes first, then the quietest, if the new one is much busier; none with an alarm.
    """
    leaving = {name: one for name, one in series.items() if not one.alarms}
    if not leaving:
        return None
    silent = min(leaving, key=lambda name: (leaving[name].active_s, name))
    if now_s - leaving[silent].active_s > IDLE_S:
        return silent
    quietest = min(leaving, key=lambda name: (leaving[name].calls.level, name))
    return quietest if calls > MUCH_BUSIER * exp(leaving[quietest].calls.level) else None
