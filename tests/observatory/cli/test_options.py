"""What users may type for times, durations and tags."""

from datetime import UTC, datetime, timedelta

import pytest

from observatory.cli.options import parse_duration, parse_moment, parse_tags
from observatory.cli.problems import USAGE, Problem

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("1.5m", 90), ("2h", 7200), ("7d", 604_800), ("1w", 604_800)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "5 minutes", "-5s", "1y"])
def test_what_is_no_duration_is_wrong_usage(text: str) -> None:
    with pytest.raises(Problem, match="is no duration") as caught:
        parse_duration(text)
    assert caught.value.exit_code == USAGE


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("30m", NOW - timedelta(minutes=30)),
        ("2026-11-24T10:00:00Z", NOW - timedelta(hours=2)),
        ("2026-11-24T12:00:00+02:00", NOW - timedelta(hours=2)),
        ("2026-11-24 10:00", NOW - timedelta(hours=2)),
    ],
)
def test_moments(text: str, moment: datetime) -> None:
    assert parse_moment(text, NOW) == moment


def test_no_moment_is_none() -> None:
    assert parse_moment(None, NOW) is None


def test_what_is_no_moment_is_wrong_usage() -> None:
    with pytest.raises(Problem, match="is no time"):
        parse_moment("yesterday", NOW)


def test_tags() -> None:
    assert parse_tags(["a=1", "b=x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}
    assert parse_tags([]) is None


@pytest.mark.parametrize("pair", ["a", "=1", ""])
def test_a_tag_without_key_or_equals_is_wrong_usage(pair: str) -> None:
    with pytest.raises(Problem, match="key=value"):
        parse_tags([pair])
