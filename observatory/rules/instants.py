"""Moments as integers, for states and indexes: microseconds since 1970 in UTC, exact."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def us_of(moment: datetime) -> int:
    """Microseconds since 1970."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def at_us(us: int) -> datetime:
    """The moment so many microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=us)
