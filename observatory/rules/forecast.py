"""How fast a budget is being spent, and where that leads: an estimate, rounded, and never booked.

The rate is the mean of two: that of the whole period, which is steady, and that of its last part, which follows
changes. A budget without an end knows the last part only. The forecast goes on from what was spent at that rate.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal

from observatory.rules.budgets import Period

WINDOWS: dict[Period, timedelta] = {
    "hour": timedelta(minutes=10),
    "day": timedelta(hours=1),
    "month": timedelta(days=1),
    "total": timedelta(days=7),
}
"""How long the last part of a period is."""

_ROUGH = Context(prec=12, rounding=ROUND_HALF_EVEN)
_MICROSECOND = timedelta(microseconds=1)
_HOUR = Decimal(3600)
_FARTHEST_S = Decimal(100 * 365 * 86_400)


@dataclass(frozen=True, slots=True)
class Burn:
    """US dollars an hour, and at the end of the period; when the limit is reached at that rate.

    `forecast_usd` is None where the period has no end, `exhausted_at` where the limit is not reached in it, or not
    within a hundred years.
    """

    usd_per_hour: Decimal
    forecast_usd: Decimal | None
    exhausted_at: datetime | None


def window_of(period: Period, start: datetime, now: datetime) -> datetime:
    """Where the last part of a period begins."""
    return max(start, now - WINDOWS[period])


def burn(
    *,
    period: Period,
    start: datetime,
    resets_at: datetime | None,
    now: datetime,
    limit_usd: Decimal,
    spent_usd: Decimal,
    recent_usd: Decimal,
) -> Burn:
    """The estimate for a period; `recent_usd` is what its last part has cost (see `window_of`)."""
    rate = _rate(recent_usd, now - window_of(period, start, now))
    if resets_at is not None:
        rate = _ROUGH.divide(_ROUGH.add(rate, _rate(spent_usd, now - start)), Decimal(2))
    forecast = None
    if resets_at is not None:
        forecast = _ROUGH.add(spent_usd, _ROUGH.multiply(rate, _seconds(resets_at - now)))
    return Burn(_ROUGH.multiply(rate, _HOUR), forecast, _exhausted(limit_usd - spent_usd, rate, now, resets_at))


def _exhausted(left_usd: Decimal, rate: Decimal, now: datetime, resets_at: datetime | None) -> datetime | None:
    if left_usd <= 0:
        return now
    if not rate:
        return None
    seconds = _ROUGH.divide(left_usd, rate)
    if seconds > _FARTHEST_S:
        return None
    moment = now + timedelta(seconds=int(seconds.to_integral_value()))
    return moment if resets_at is None or moment < resets_at else None


def _rate(usd: Decimal, during: timedelta) -> Decimal:
    """US dollars a second; 0 for no time."""
    seconds = _seconds(during)
    return _ROUGH.divide(usd, seconds) if seconds > 0 else Decimal(0)


def _seconds(during: timedelta) -> Decimal:
    return _ROUGH.divide(Decimal(during // _MICROSECOND), Decimal(1_000_000))
