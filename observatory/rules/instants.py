"""Moments as integers, for states and indexes: microseconds since 1970 in UTC, exact."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def us_of(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def at_us(us: int) -> datetime:
    """The moment so many microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=us)
