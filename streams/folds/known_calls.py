"""Which calls a fold takes that joins what is known of a request, and for how long it knows them."""

from datetime import timedelta

from streams.engine.fold import At
from streams.ledger.decode import EARLY_S

MOST_CALLS = 32
"""Of a request: calls beyond are left out and counted. A worker makes a handful."""

KNOWN_FOR = timedelta(days=65)
"""A call that started longer ago changes nothing: what was known of it may be gone. A month can be reconciled."""

_LATE_MS = KNOWN_FOR // timedelta(milliseconds=1)
_EARLY_MS = EARLY_S * 1000


def is_late(started_us: int, at: At) -> bool:
    """Whether a call had started too long ago when its record was appended."""
    return started_us // 1000 < at.time_ms - _LATE_MS


def is_early(started_us: int, at: At) -> bool:
    """Whether it starts later than honest clocks differ."""
    return started_us // 1000 > at.time_ms + _EARLY_MS
