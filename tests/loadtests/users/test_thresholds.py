"""What a load test must reach."""

from dataclasses import replace

import pytest

from loadtests.users.thresholds import Seen, missed

GOOD = Seen(users=100, seconds=60.0, messages=1_100, errors=5, p95_ms=1_400.0)


def test_a_run_within_all_thresholds_misses_none() -> None:
    assert missed(GOOD) == []


@pytest.mark.parametrize(
    ("seen", "line"),
    [
        (replace(GOOD, messages=990, errors=0), "990 messages a minute were answered, 1,000 are wanted of 100 users"),
        (replace(GOOD, p95_ms=3_000.0), "95 % of the answers came within 3,000 ms"),
        (replace(GOOD, errors=11), "1.00% of 1,100 messages failed"),
        (replace(GOOD, messages=0, errors=0), "no message was answered"),
        (replace(GOOD, seconds=0.0), "no message was answered"),
    ],
)
def test_each_threshold_is_missed_with_a_line_that_says_so(seen: Seen, line: str) -> None:
    (found,) = missed(seen)
    assert found.startswith(line)


def test_failed_messages_do_not_count_as_answered() -> None:
    assert len(missed(replace(GOOD, messages=1_005, errors=8))) == 1


def test_fewer_users_are_measured_by_their_share() -> None:
    assert missed(replace(GOOD, users=10, messages=101, errors=0)) == []
