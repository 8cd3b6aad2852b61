"""Budgets: what falls under one, which period it is now, and the most that an attempt can cost.

A hard budget never admits an attempt whose upper bound does not fit into what is left, so the bound must hold whatever
the model answers; where none can be proven the attempt is not made.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from observatory.rules.money import MONEY, bookable, times
from observatory.rules.pricing import Rates
from schemas.chat import ChatRequested

Scope = Literal["tenant", "user", "api_key", "conversation", "model", "tag"]
Period = Literal["hour", "day", "month", "total"]

EVER = datetime(1970, 1, 1, tzinfo=UTC)
"""Where the one period of a total budget starts."""

_MAX_NAME = 256
_INSTANT = timedelta(microseconds=1)


class BadBudget(ValueError):
    """A budget that cannot be; the message says what is wrong with it."""


class Unbounded(ValueError):
    """The most that an attempt can cost cannot be told; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one scope of a tenant may cost in US dollars in each period of a time zone.

    `scope_value` names the user, key, conversation or model (as it is asked for), of a tag `key=value`; of the tenant
    itself it is empty. A hard budget is reserved before each attempt, a soft one is watched. `thresholds` are the
    parts of the limit at which alerts are raised. Raises `BadBudget`.
    """

    budget_id: str
    tenant_id: str
    scope: Scope
    scope_value: str = ""
    limit_usd: Decimal
    hard: bool
    period: Period
    time_zone: str = "UTC"
    thresholds: tuple[Decimal, ...] = field(default=(Decimal("0.5"), Decimal("0.8"), Decimal(1)))

    def __post_init__(self) -> None:
        for name, text in (("budget id", self.budget_id), ("tenant", self.tenant_id)):
            if not (0 < len(text) <= _MAX_NAME and text.isprintable()):
                raise BadBudget(f"a {name} has 1 to {_MAX_NAME} printable characters")
        if self.scope == "tenant" and self.scope_value:
            raise BadBudget("a budget of the whole tenant has no scope value")
        if self.scope != "tenant" and not self.scope_value:
            raise BadBudget(f"a budget of a {self.scope.replace('_', ' ')} needs a scope value")
        if self.scope == "tag" and self.scope_value.find("=") < 1:
            raise BadBudget(f"a tag is key=value, not {self.scope_value[:40]!r}")
        if not self.limit_usd.is_finite() or self.limit_usd < 0:
            raise BadBudget(f"a limit is a finite number of dollars from 0 on, not {self.limit_usd}")
        if "\0" in self.scope_value:
            raise BadBudget("a scope value has no character NUL")
        if not all(part.is_finite() and part > 0 for part in self.thresholds):
            raise BadBudget("thresholds are parts of the limit above 0")
        _zone(self.time_zone)


def check_amounts(limit_usd: Decimal, thresholds: Iterable[Decimal] = ()) -> None:
    """Raises `BadBudget` for amounts that no new budget gets; what was stored before is watched all the same."""
    if not limit_usd.is_finite() or limit_usd < 0:
        raise BadBudget(f"a limit is a finite number of dollars from 0 on, not {str(limit_usd)[:40]}")
    for amount in (limit_usd, *thresholds):
        try:
            bookable(str(amount))
        except ValueError as error:
            message = "limits and thresholds are below a million million, with at most 34 digits and 43 decimals"
            raise BadBudget(message) from error


def period_bounds(period: Period, time_zone: str, at: datetime) -> tuple[datetime, datetime | None]:
    """Start and end (UTC; the end is no part of it, None: never) of the period that `at` falls into.

    Periods follow the clocks of the zone without a gap or an overlap: a day may have 23 or 25 hours, an hour is the
    same wall-clock hour at one offset, so that the hour that is repeated in autumn is two periods. Raises `BadBudget`.
    """
    zone = _zone(time_zone)
    if period == "total":
        return EVER, None
    if period == "hour":
        return _hour(zone, at)
    step = _next_day if period == "day" else _next_month
    first = at.astimezone(zone).date() - timedelta(days=1)
    first = first if period == "day" else first.replace(day=1)
    while _midnight(zone, step(first)) <= at:
        first = step(first)
    return _midnight(zone, first), _midnight(zone, step(first))


def _next_day(day: date) -> date:
    return day + timedelta(days=1)


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _midnight(zone: ZoneInfo, day: date) -> datetime:
    """The first instant of a day: the earlier of two, and where the clocks skip midnight the one that comes instead."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _hour(zone: ZoneInfo, at: datetime) -> tuple[datetime, datetime]:
    """A wall-clock hour at one offset; where the clocks change within it, it ends or starts there."""
    local = at.astimezone(zone)
    into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    now = at.astimezone(UTC)
    start, end = now - into, now - into + timedelta(hours=1)
    return _change(zone, start, now) or start, _change(zone, now, end - _INSTANT) or end


def _change(zone: ZoneInfo, first: datetime, last: datetime) -> datetime | None:
    """When the clocks were changed after `first` and not after `last`; None: they were not."""
    offset = first.astimezone(zone).utcoffset()
    if last.astimezone(zone).utcoffset() == offset:
        return None
    while last - first > _INSTANT:
        middle = first + (last - first) // 2
        if middle.astimezone(zone).utcoffset() == offset:
            first = middle
        else:
            last = middle
    return last


@lru_cache
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError) as error:
        raise BadBudget(f"no time zone is called {name[:40]!r}; one is called for example Europe/Berlin") from error


def subjects(request: ChatRequested) -> Iterator[tuple[Scope, str]]:
    """The scopes and values of which a budget of the request's tenant covers the request."""
    yield "tenant", ""
    yield "model", request.model
    named: tuple[tuple[Scope, str | None], ...] = (
        ("user", request.user_id),
        ("api_key", request.api_key_id),
        ("conversation", request.conversation_id),
    )
    for scope, value in named:
        if value is not None:
            yield scope, value
    for key, value in (request.tags or {}).items():
        if "=" not in key:
            yield "tag", f"{key}={value}"


def most_usd(rates: Iterable[Rates], input_tokens: int, output_tokens: int) -> Decimal:
    """The most that a call of so many tokens at most can cost under any of the rates.

    Every input token at the dearest of plain, cached and written, every output token at the dearest, in the dearest of
    the context tiers that so long a prompt can reach. Raises `Unbounded` where input or output have no rate.
    """
    reachable = [tier for rate in rates for tier in _tiers(rate, input_tokens)]
    if not reachable:
        raise Unbounded("the model has no known price")
    return max(_most_of(tier, input_tokens, output_tokens) for tier in reachable)


def _tiers(rates: Rates, input_tokens: int) -> Iterator[Rates]:
    yield rates
    yield from (tier for above, tier in rates.tiers if input_tokens > above)


def _most_of(rates: Rates, input_tokens: int, output_tokens: int) -> Decimal:
    if rates.uncached_input is None or rates.output is None:
        raise Unbounded("the model has no known price for input or output")
    inputs = (rates.uncached_input, rates.cache_read, rates.cache_write_5m, rates.cache_write_1h)
    dearest = max(rate for rate in inputs if rate is not None)
    return MONEY.add(times(input_tokens, dearest), times(output_tokens, rates.output))
