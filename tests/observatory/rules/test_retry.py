from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.rules.retry import may_retry, next_pause_s, retry_after_s

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
jitters = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(("attempt", "ceiling_s"), [(1, 0.2), (2, 0.4), (3, 0.8), (6, 6.4), (7, 10.0), (9999, 10.0)])
def test_the_ceiling_of_the_pause_doubles_up_to_ten_seconds(attempt: int, ceiling_s: float) -> None:
    assert next_pause_s(attempt, None, lambda: 1.0) == pytest.approx(ceiling_s)
    assert next_pause_s(attempt, None, lambda: 0.0) == 0


@given(st.integers(1, 20), st.floats(0, 30), jitters)
def test_retry_after_is_a_minimum(attempt: int, asked_s: float, jitter: float) -> None:
    assert asked_s <= next_pause_s(attempt, asked_s, lambda: jitter) <= asked_s + 10


@pytest.mark.parametrize("asked_s", [31.0, 3600.0, 1e12])
def test_retry_after_is_believed_up_to_thirty_seconds(asked_s: float) -> None:
    assert next_pause_s(1, asked_s, lambda: 0.0) == 30


def test_a_retry_must_be_worth_it_be_left_and_begin_before_the_deadline() -> None:
    deadline = NOW + timedelta(seconds=10)
    assert may_retry(True, 2, 3, NOW, deadline, 9.9)
    assert not may_retry(False, 2, 3, NOW, deadline, 0)
    assert not may_retry(True, 3, 3, NOW, deadline, 0)
    assert not may_retry(True, 2, 3, NOW, deadline, 10)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("1.5", 1.5),
        ("0", 0.0),
        ("Tue, 24 Nov 2026 12:00:09 GMT", 9.0),
        ("Tue, 24 Nov 2026 11:59:00 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str, seconds: float) -> None:
    assert retry_after_s(header, NOW) == seconds


@pytest.mark.parametrize("header", [None, "", "soon", "-3", "nan", "inf", "Tue, 99 Nov 2026 12:00:09 GMT", "1e400"])
def test_a_retry_after_that_says_nothing_is_none(header: str | None) -> None:
    assert retry_after_s(header, NOW) is None


@given(st.text())
def test_no_header_is_an_error(header: str) -> None:
    retry_after_s(header, NOW)
