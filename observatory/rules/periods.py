"""Periods that questions are about: whole minutes from (included) to (not included), and the steps that divide them.

Calls are summed by the minute in which they began, so a period takes whole minutes: what is asked for is widened to
them, and answers say what was covered.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Granularity = Literal["none", "minute", "hour", "day", "month"]

MINUTE = timedelta(minutes=1)
DEFAULT_LAST = "24h"
LONGEST = timedelta(days=3660)
YEARS = range(1980, 2500)
MOST_STEPS = 50_000

_LAST = re.compile(r"^(\d{1,6})(m|h|d|w)$")
_UNITS = {"m": MINUTE, "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_SHORTEST = {"minute": MINUTE, "hour": timedelta(hours=1), "day": timedelta(hours=23), "month": timedelta(days=28)}
_MAX_ZONE = 64


class BadPeriod(ValueError):
    """A period that cannot be; `parameter` names what is wrong with it."""

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(message)
        self.parameter = parameter


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` (included) to `end` (not included), whole minutes in UTC."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.end - self.start

    @property
    def before(self) -> "Window":
        """The period of the same length that ends where this one begins."""
        return Window(self.start - self.length, self.start)


def window(now: datetime, *, start: datetime | None, end: datetime | None, last: str | None) -> Window:
    """The period of `start` and `end`, or the `last` while ('24h', '7d', '30d'); neither: the last 24 hours.

    Without an end it goes up to `now`. Raises `BadPeriod`.
    """
    if last is not None and (start is not None or end is not None):
        raise BadPeriod("last", "give either last, or from and to")
    if start is None and end is not None:
        raise BadPeriod("from", "to needs a from")
    for name, moment in (("from", start), ("to", end)):
        if moment is not None and moment.year not in YEARS:
            raise BadPeriod(name, f"years from {YEARS.start} to {YEARS.stop - 1}")
    stop = _up(now if end is None else end)
    begin = stop - _while(last or DEFAULT_LAST) if start is None else _down(start)
    if begin >= stop:
        raise BadPeriod("from" if end is None else "to", "from lies before to, and not in the future")
    found = Window(begin, stop)
    if found.length > LONGEST:
        raise BadPeriod("from", f"a period has at most {LONGEST.days:,} days")
    return found


def check_steps(period: Window, granularity: Granularity) -> None:
    """Raises `BadPeriod` when a period would be cut into more steps than anyone reads."""
    if granularity != "none" and period.length / _SHORTEST[granularity] > MOST_STEPS:
        raise BadPeriod(
            "granularity", f"that makes more than {MOST_STEPS:,} steps: ask for a shorter period or longer steps"
        )


def zone_of(name: str | None, granularity: Granularity) -> str:
    """The IANA zone that days and months follow; without one UTC. Raises `BadPeriod`."""
    if name is None:
        return "UTC"
    if granularity not in ("day", "month"):
        raise BadPeriod("time_zone", "a time zone says where days and months begin: it needs granularity day or month")
    try:
        if len(name) > _MAX_ZONE:
            raise ValueError
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadPeriod("time_zone", f"{name[:_MAX_ZONE]!r} is no time zone; write for example Europe/Prague") from None
    return name


def _while(text: str) -> timedelta:
    match = _LAST.match(text)
    if match is None or int(match[1]) == 0:
        raise BadPeriod("last", f"{text[:20]!r} is no while; write for example 90m, 24h, 7d or 4w")
    return min(int(match[1]) * _UNITS[match[2]], LONGEST + MINUTE)


def _down(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


def _up(moment: datetime) -> datetime:
    down = _down(moment)
    return down if down == moment else down + MINUTE
