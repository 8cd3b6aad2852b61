"""Options that several commands share, and how their texts become values."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from observatory.cli.problems import wrong_usage
from schemas.base import MAX_NAME_LENGTH

Json = Annotated[bool, Parameter(name="--json", show_default=False, help="Print JSON and nothing else on stdout.")]
Since = Annotated[str | None, Parameter(help="From when: '30m', '2h', '7d' ago, or an RFC 3339 time.")]
Until = Annotated[str | None, Parameter(help="Until when, not included: as --since.")]
AtMost = Annotated[int, Parameter(help="How many at most.", validator=Number(gte=1, lte=1_000_000))]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_MONTH = re.compile(r"^(\d{4})-(0[1-9]|1[0-2])$")
_DURATION = re.compile(r"^([0-9]+(?:\.[0-9]+)?)([smhdw])$")
_LONGEST_S = 50 * 365 * 86_400
_FIRST_YEAR, _LAST_YEAR = 1970, 2500


def parse_duration(text: str) -> timedelta:
    """'90s', '30m', '2h', '7d', '1w'. Raises `Problem`."""
    match = _DURATION.match(text.strip())
    if match is None:
        raise wrong_usage(f"{text!r} is no duration; write for example 30s, 15m, 2h or 7d")
    seconds = float(match[1]) * _UNITS[match[2]]
    if seconds > _LONGEST_S:
        raise wrong_usage(f"{text!r} is longer than fifty years")
    return timedelta(seconds=seconds)


def parse_moment(text: str | None, now: datetime) -> datetime | None:
    """A duration before `now`, or an RFC 3339 time; one without a zone is UTC. Raises `Problem`."""
    if text is None:
        return None
    if _DURATION.match(text.strip()):
        return now - parse_duration(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise wrong_usage(f"{text!r} is no time; write for example 30m, 2h or 2026-11-24T12:00:00Z") from None
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise wrong_usage(f"{text!r} is not between the years {_FIRST_YEAR} and {_LAST_YEAR}")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse_month(text: str) -> date:
    """'2026-10' as the first day of the month. Raises `Problem`."""
    match = _MONTH.match(text.strip())
    if match is None or not 1970 <= int(match[1]) <= 2500:
        raise wrong_usage(f"{text!r} is no month; write for example 2026-10")
    return date(int(match[1]), int(match[2]), 1)


def parse_name(option: str, text: str) -> str:
    """A tenant, as requests and events have it. Raises `Problem`."""
    if not (0 < len(text) <= MAX_NAME_LENGTH and text.isprintable()):
        raise wrong_usage(f"{option} {text[:40]!r}: write 1 to {MAX_NAME_LENGTH} printable characters")
    return text


def parse_tags(pairs: Sequence[str]) -> dict[str, str] | None:
    """`key=value` texts as a mapping; None for none. Raises `Problem`."""
    tags = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise wrong_usage(f"--tag {pair!r}: write key=value")
        tags[key] = value
    return tags or None
