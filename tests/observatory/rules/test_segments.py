"""Which sums make up a period: disjoint, complete, and never divided between steps."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.rules.periods import Granularity, Window
from observatory.rules.segments import DAY, HOUR, WEEK, Rolled, Segments, segments, segments_by, step_of

MIDNIGHT = datetime(2026, 10, 20, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ALL_HOURS = frozenset(MIDNIGHT + n * HOUR for n in range(24 * 20))
ALL_DAYS = frozenset(MIDNIGHT + n * DAY for n in range(20))
ALL = Rolled(ALL_HOURS, ALL_DAYS, {day: day + DAY for day in ALL_DAYS})

minutes = st.integers(0, 20 * 24 * 60).map(lambda n: MIDNIGHT + n * MINUTE)
periods = st.tuples(minutes, minutes).filter(lambda both: both[0] < both[1]).map(lambda both: Window(*both))
rolled = st.builds(
    Rolled,
    st.frozensets(st.sampled_from(sorted(ALL_HOURS)), max_size=300),
    st.frozensets(st.sampled_from(sorted(ALL_DAYS))),
    st.dictionaries(
        st.sampled_from(sorted(ALL_DAYS)), st.integers(1, 24), max_size=20
    ).map(lambda found: {day: day + hours * HOUR for day, hours in found.items()}),
    st.frozensets(st.sampled_from(sorted(ALL_HOURS)), max_size=300),
    st.frozensets(st.sampled_from([MIDNIGHT - DAY + n * WEEK for n in range(3)])),
)  # fmt: skip
zones = st.sampled_from(["UTC", "Europe/Prague", "Asia/Kolkata", "America/St_Johns"])
granularities = st.sampled_from(["none", "minute", "hour", "day", "month"])


def covered(parts: Segments, days: dict[datetime, datetime]) -> list[Window]:
    windows = [Window(week, week + WEEK) for week in parts.weeks]
    windows += [Window(day, days[day]) for day in parts.days]
    windows += [Window(hour, hour + HOUR) for hour in parts.hours]
    return sorted([*windows, *parts.rest], key=lambda window: window.start)


def assert_makes_up(period: Window, found: list[Window]) -> None:
    assert [found[0].start, found[-1].end] == [period.start, period.end]
    assert all(one.end == following.start for one, following in pairwise(found))


@given(periods, rolled, granularities, zones, st.integers(0, 3 * 24 * 60))
def test_the_parts_make_up_the_period_and_no_sum_is_divided(
    period: Window, held: Rolled, granularity: Granularity, zone: str, shift_minutes: int
) -> None:
    step = step_of(granularity, zone, shift_minutes * MINUTE)
    parts, by = segments(period, held, step), segments_by(period, held, step)
    assert_makes_up(period, covered(parts, {day: day + DAY for day in parts.days}))
    assert_makes_up(period, covered(by, dict(held.days_by)))
    assert set(parts.days) <= held.days
    assert set(parts.hours) <= held.hours
    whole = [(day, day + DAY) for day in parts.days] + [(hour, hour + HOUR) for hour in parts.hours]
    whole += [(day, held.days_by[day]) for day in by.days]
    whole += [(week, week + WEEK) for week in by.weeks]
    for start, end in whole:
        assert len({step(start + n * MINUTE) for n in range((end - start) // MINUTE)}) == 1


def test_what_holds_is_used() -> None:
    period = Window(MIDNIGHT + 10.5 * HOUR, MIDNIGHT + 3 * DAY + 2 * HOUR)
    parts = segments(period, ALL, step_of("none", "UTC", timedelta()))
    assert parts.days == [MIDNIGHT + DAY, MIDNIGHT + 2 * DAY]
    assert parts.hours == [MIDNIGHT + n * HOUR for n in (*range(11, 24), 72, 73)]
    assert parts.rest == [Window(MIDNIGHT + 10.5 * HOUR, MIDNIGHT + 11 * HOUR)]


def test_weeks_are_used_before_their_days() -> None:
    monday = MIDNIGHT + 6 * DAY
    held = Rolled(frozenset(), frozenset(), ALL.days_by, weeks_by=frozenset({monday}))
    parts = segments_by(Window(MIDNIGHT + 5 * DAY, MIDNIGHT + 14 * DAY), held, step_of("none", "UTC", timedelta()))
    assert (parts.weeks, parts.days, parts.rest) == ([monday], [MIDNIGHT + 5 * DAY, MIDNIGHT + 13 * DAY], [])


@pytest.mark.parametrize(("zone", "hours"), [("Europe/Prague", 24), ("Asia/Kolkata", 23)])
def test_days_of_another_zone_are_made_of_hours_where_these_fit(zone: str, hours: int) -> None:
    parts = segments(Window(MIDNIGHT, MIDNIGHT + DAY), ALL, step_of("day", zone, timedelta()))
    assert parts.days == []
    assert len(parts.hours) == hours


def test_a_day_so_far_is_used_as_far_as_it_is_summed() -> None:
    held = Rolled(frozenset(), frozenset(), {MIDNIGHT: MIDNIGHT + 5 * HOUR})
    parts = segments_by(Window(MIDNIGHT, MIDNIGHT + 6 * HOUR), held, step_of("day", "UTC", timedelta()))
    assert (parts.days, parts.rest) == ([MIDNIGHT], [Window(MIDNIGHT + 5 * HOUR, MIDNIGHT + 6 * HOUR)])
    shorter = segments_by(Window(MIDNIGHT, MIDNIGHT + 4 * HOUR), held, step_of("day", "UTC", timedelta()))
    assert shorter.days == []
