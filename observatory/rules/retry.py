"""When a failed attempt is made again: exponential pauses with full jitter, and no pause that outlives the deadline."""

from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

BASE_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0
LONGEST_RETRY_AFTER_S = 30.0


def next_pause_s(attempt: int, retry_after_s: float | None, random: Callable[[], float]) -> float:
    """Seconds to wait after failed attempt number `attempt` (1, 2, …); `random` draws from [0, 1).

    Full jitter: uniform in [0, min(cap, base * 2^(attempt-1))). The provider's `Retry-After` is a minimum, of which
    at most `LONGEST_RETRY_AFTER_S` is believed; the jitter comes on top, so that those who were told the same second
    do not come back in the same instant.
    """
    ceiling = min(LONGEST_PAUSE_S, BASE_PAUSE_S * 2.0 ** min(attempt - 1, 30))
    jitter = random() * ceiling
    return jitter if retry_after_s is None else min(max(retry_after_s, 0.0), LONGEST_RETRY_AFTER_S) + jitter


def may_retry(
    error_retryable: bool, attempt: int, max_attempts: int, now: datetime, deadline: datetime, pause_s: float
) -> bool:
    """Whether another attempt is allowed and would still start before the deadline."""
    return error_retryable and attempt < max_attempts and now + timedelta(seconds=pause_s) < deadline


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """The value of a `Retry-After` header (seconds, whole or not, or an HTTP date) in seconds from `now`.

    None where there is none or it cannot be read: a provider's bad header is no reason to fail.
    """
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        seconds = _seconds_until(header, now)
    return seconds if 0 <= seconds < float("inf") else None


def _seconds_until(http_date: str, now: datetime) -> float:
    try:
        moment = parsedate_to_datetime(http_date)
        return max(0.0, (moment - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return -1.0
