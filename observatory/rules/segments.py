"""Which sums answer a question about a period: weeks, days and hours where they hold, minutes or facts for the rest.

A sum is used only where all of it falls into one step of the answer, so nothing is ever divided.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from observatory.rules.periods import Granularity, Window

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
_INSTANT = timedelta(microseconds=1)

Step = Callable[[datetime], object]


@dataclass(frozen=True, slots=True)
class Rolled:
    """What holds: hours, days, days as far as they are summed by one more dimension, hours and weeks by one more."""

    hours: Set[datetime]
    days: Set[datetime]
    days_by: Mapping[datetime, datetime]
    hours_by: Set[datetime] = frozenset()
    weeks_by: Set[datetime] = frozenset()


@dataclass(frozen=True, slots=True)
class Segments:
    """Disjoint parts that make up a period: days, hours, what lies between them, and weeks."""

    days: Sequence[datetime]
    hours: Sequence[datetime]
    rest: Sequence[Window]
    weeks: Sequence[datetime] = ()


def step_of(granularity: Granularity, zone: str, shift: timedelta) -> Step:
    """Names the step of an answer that a moment falls into, `shift` later than it is."""
    if granularity == "none":
        return lambda _: None
    if granularity in ("minute", "hour"):
        length = (HOUR if granularity == "hour" else timedelta(minutes=1)).total_seconds()
        return lambda moment: (moment + shift).timestamp() // length
    local = ZoneInfo(zone)
    if granularity == "day":
        return lambda moment: (moment + shift).astimezone(local).date()
    return lambda moment: (moment + shift).astimezone(local).date().replace(day=1)


def segments(period: Window, rolled: Rolled, step: Step) -> Segments:
    """Days first, then hours; the rest is read from the minutes."""
    days = [day for day in _starts(period, DAY, rolled.days) if step(day) == step(day + DAY - _INSTANT)]
    taken = [Window(day, day + DAY) for day in days]
    hours = _hours(period, taken, rolled.hours, step)
    return Segments(days, hours, _between(period, [*taken, *_whole(hours)]))


def segments_by(period: Window, rolled: Rolled, step: Step) -> Segments:
    """Weeks, then days, each as far as it is summed, then hours; the rest is read from the facts."""
    weeks = [week for week in _starts(period, WEEK, rolled.weeks_by) if step(week) == step(week + WEEK - _INSTANT)]
    in_weeks = {week + number * DAY for week in weeks for number in range(7)}
    days = [
        Window(day, until)
        for day, until in rolled.days_by.items()
        if period.start <= day and until <= period.end and step(day) == step(until - _INSTANT) and day not in in_weeks
    ]
    taken = [*days, *(Window(week, week + WEEK) for week in weeks)]
    hours = _hours(period, taken, rolled.hours_by, step)
    rest = _between(period, [*taken, *_whole(hours)])
    return Segments(sorted(part.start for part in days), hours, rest, weeks)


def _hours(period: Window, taken: Iterable[Window], held: Set[datetime], step: Step) -> list[datetime]:
    """Those that hold, in what is left of a period."""
    return [
        hour
        for part in _between(period, taken)
        for hour in _starts(part, HOUR, held)
        if step(hour) == step(hour + HOUR - _INSTANT)
    ]


def _whole(hours: Iterable[datetime]) -> list[Window]:
    return [Window(hour, hour + HOUR) for hour in hours]


def _starts(period: Window, length: timedelta, held: Set[datetime]) -> list[datetime]:
    return sorted(start for start in held if period.start <= start and start + length <= period.end)


def _between(period: Window, taken: Iterable[Window]) -> list[Window]:
    """What is left of a period."""
    left, at = [], period.start
    for part in sorted(taken, key=lambda part: part.start):
        if part.start > at:
            left.append(Window(at, part.start))
        at = part.end
    return [*left, Window(at, period.end)] if at < period.end else left
