"""Periods of questions: whole minutes, and what is refused."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from observatory.rules.periods import BadPeriod, Window, check_steps, window, zone_of

NOW = datetime(2026, 11, 25, 10, 37, 12, 5, UTC)


def at(hour: int, minute: int = 0, day: int = 25) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def test_a_while_ends_with_the_minute_that_it_is_and_has_its_whole_length() -> None:
    assert window(NOW, start=None, end=None, last="24h") == Window(at(10, 38, day=24), at(10, 38))
    assert window(NOW, start=None, end=None, last=None) == window(NOW, start=None, end=None, last="24h")
    assert window(NOW, start=None, end=None, last="7d").length == timedelta(days=7)


def test_times_are_widened_to_their_minutes_and_read_in_their_zone() -> None:
    start = datetime(2026, 11, 25, 9, 0, 59, tzinfo=timezone(timedelta(hours=1)))
    end = at(9) + timedelta(microseconds=1)
    assert window(NOW, start=start, end=end, last=None) == Window(at(8), at(9, 1))
    assert window(NOW, start=at(9), end=None, last=None) == Window(at(9), at(10, 38))


def test_the_period_before_ends_where_it_begins() -> None:
    assert Window(at(9), at(10, 30)).before == Window(at(7, 30), at(9))


@pytest.mark.parametrize(
    ("start", "end", "last", "parameter"),
    [
        (at(9), None, "24h", "last"),
        (None, at(9), None, "from"),
        (at(9), at(9), None, "to"),
        (at(9), at(8), None, "to"),
        (at(12), None, None, "from"),
        (None, None, "0d", "last"),
        (None, None, "-1d", "last"),
        (None, None, "day", "last"),
        (None, None, "999999d", "from"),
        (datetime(1, 1, 1, tzinfo=UTC), None, None, "from"),
        (at(9), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), None, "to"),
    ],
)
def test_nonsense_is_refused_by_its_name(
    start: datetime | None, end: datetime | None, last: str | None, parameter: str
) -> None:
    with pytest.raises(BadPeriod) as refused:
        window(NOW, start=start, end=end, last=last)
    assert refused.value.parameter == parameter


def test_a_zone_is_for_days_and_months_and_must_be_one() -> None:
    assert zone_of(None, "hour") == "UTC"
    assert zone_of("Asia/Kolkata", "day") == "Asia/Kolkata"
    for name, granularity in (
        ("Europe/Prague", "hour"),
        ("Nowhere/Land", "day"),
        ("../etc/passwd", "day"),
        ("", "day"),
    ):
        with pytest.raises(BadPeriod):
            zone_of(name, granularity)  # type: ignore[arg-type]  # a tuple of literals is a str to mypy


def test_a_period_is_not_cut_into_more_steps_than_anyone_reads() -> None:
    year = Window(at(0, day=25) - timedelta(days=365), at(0, day=25))
    check_steps(year, "hour")
    with pytest.raises(BadPeriod):
        check_steps(year, "minute")
