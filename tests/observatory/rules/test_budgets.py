from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.rules.budgets import (
    EVER,
    BadBudget,
    Budget,
    Period,
    Unbounded,
    check_amounts,
    most_usd,
    period_bounds,
    subjects,
)
from observatory.rules.pricing import Rates, cost_of
from schemas.calls import Usage
from schemas.chat import ChatRequested, Message

ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "America/Havana", "Africa/Cairo", "Asia/Kolkata", "Asia/Kathmandu",
    "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns",
)  # fmt: skip
INSTANT = timedelta(microseconds=1)
moments = st.datetimes(datetime(2005, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # a bound


def bounds(period: Period, zone: str, at: str) -> tuple[str, str]:
    start, end = period_bounds(period, zone, datetime.fromisoformat(at))
    assert end is not None
    return f"{start:%m-%dT%H:%M}", f"{end:%m-%dT%H:%M}"


@given(moments, st.sampled_from(ZONES), st.sampled_from(["hour", "day", "month"]))
def test_every_moment_is_in_one_period(at: datetime, zone: str, period: Period) -> None:
    start, end = period_bounds(period, zone, at)
    assert end is not None
    assert start <= at < end
    assert period_bounds(period, zone, start) == period_bounds(period, zone, end - INSTANT) == (start, end)
    assert period_bounds(period, zone, end)[0] == end
    assert period_bounds(period, zone, start - INSTANT)[1] == start


@pytest.mark.parametrize(
    ("period", "zone", "at", "expected"),
    [
        ("day", "Europe/Berlin", "2026-11-25T06:00+00:00", ("11-24T23:00", "11-25T23:00")),
        # 29 March has 23 hours, 25 October 25.
        ("day", "Europe/Berlin", "2026-03-29T12:00+00:00", ("03-28T23:00", "03-29T22:00")),
        ("day", "Europe/Berlin", "2026-10-25T12:00+00:00", ("10-24T22:00", "10-25T23:00")),
        ("month", "Europe/Berlin", "2026-10-31T22:59+00:00", ("09-30T22:00", "10-31T23:00")),
        # Two o'clock comes twice: each is an hour of its own.
        ("hour", "Europe/Berlin", "2026-10-25T00:30+00:00", ("10-25T00:00", "10-25T01:00")),
        ("hour", "Europe/Berlin", "2026-10-25T01:30+00:00", ("10-25T01:00", "10-25T02:00")),
        # Midnight comes twice: the day starts with the first.
        ("day", "America/Havana", "2026-11-01T05:30+00:00", ("11-01T04:00", "11-02T05:00")),
        # There is no midnight: the day starts at one o'clock.
        ("day", "Africa/Cairo", "2026-04-23T22:30+00:00", ("04-23T22:00", "04-24T21:00")),
        # Clocks go back by half an hour at two.
        ("hour", "Australia/Lord_Howe", "2026-04-04T15:00+00:00", ("04-04T15:00", "04-04T15:30")),
        ("hour", "Australia/Lord_Howe", "2026-04-04T14:59+00:00", ("04-04T14:00", "04-04T15:00")),
        ("hour", "Asia/Kathmandu", "2026-05-05T05:20+00:00", ("05-05T05:15", "05-05T06:15")),
        ("month", "UTC", "2026-12-31T23:59+00:00", ("12-01T00:00", "01-01T00:00")),
    ],
)
def test_periods_follow_the_clocks_of_their_zone(period: Period, zone: str, at: str, expected: tuple[str, str]) -> None:
    assert bounds(period, zone, at) == expected


def test_a_total_has_one_period_without_an_end() -> None:
    assert period_bounds("total", "Asia/Tokyo", datetime.now(UTC)) == (EVER, None)


def budget(**fields: Any) -> Budget:
    usual: dict[str, Any] = {"budget_id": "b", "tenant_id": "t", "scope": "tenant", "limit_usd": Decimal(1)}
    return Budget(**{**usual, "hard": True, "period": "day", **fields})


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"time_zone": "Mars/Olympus"}, "no time zone is called"),
        ({"time_zone": "../etc/passwd"}, "no time zone is called"),
        ({"limit_usd": Decimal(-1)}, "limit"),
        ({"limit_usd": Decimal("NaN")}, "limit"),
        ({"scope": "user"}, "a user needs a scope value"),
        ({"scope_value": "x"}, "has no scope value"),
        ({"scope": "tag", "scope_value": "team"}, "key=value"),
        ({"scope": "tag", "scope_value": "=x"}, "key=value"),
        ({"thresholds": (Decimal(0),)}, "thresholds"),
        ({"budget_id": ""}, "budget id"),
        ({"tenant_id": "a\nb"}, "tenant"),
    ],
)
def test_a_budget_that_cannot_be_says_why(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadBudget, match=problem):
        budget(**fields)


@pytest.mark.parametrize("limit", ["NaN", "-1", "1e12", "1e999999999", "1e-999999999", "0." + "1" * 40])
def test_no_new_budget_has_a_limit_that_cannot_be_booked(limit: str) -> None:
    with pytest.raises(BadBudget, match="limit"):
        check_amounts(Decimal(limit))


def test_no_new_budget_has_a_threshold_of_absurd_digits() -> None:
    check_amounts(Decimal(1), [Decimal("0.5")])
    with pytest.raises(BadBudget, match="thresholds are below"):
        check_amounts(Decimal(1), [Decimal("1e50")])


def asked(**fields: Any) -> ChatRequested:
    message = Message(role="user", content="hi")
    return ChatRequested(**{"request_id": uuid4(), "model": "m", "messages": [message], **fields})


def test_a_request_falls_under_each_thing_that_it_names() -> None:
    request = asked(user_id="u", api_key_id="k", conversation_id="c", tags={"team": "a=b", "odd=key": "x"})
    assert set(subjects(request)) == {
        ("tenant", ""), ("model", "m"), ("user", "u"), ("api_key", "k"), ("conversation", "c"), ("tag", "team=a=b"),
    }  # fmt: skip
    assert set(subjects(asked())) == {("tenant", ""), ("model", "m")}


prices = st.decimals(0, 1, places=9)
maybe = st.none() | prices


def flat(**more: Any) -> st.SearchStrategy[Rates]:
    return st.builds(
        Rates,
        uncached_input=prices,
        output=prices,
        cache_read=maybe,
        cache_write_5m=maybe,
        cache_write_1h=maybe,
        **more,
    )


tiered = flat(
    tiers=st.lists(st.tuples(st.integers(0, 3000), flat()), max_size=2).map(
        lambda t: tuple(sorted(t, key=lambda e: e[0]))
    )
)


@given(tiered, st.tuples(*[st.integers(0, 1000)] * 4), st.integers(0, 1000), st.integers(0, 500), st.integers(0, 500))
def test_no_usage_within_the_bound_costs_more_than_the_most(
    rates: Rates, parts: tuple[int, int, int, int], output: int, more_input: int, more_output: int
) -> None:
    sold = [p if rate is not None else 0 for p, rate in zip(parts, _input_rates(rates), strict=True)]
    usage = Usage(
        uncached_input_tokens=sold[0],
        cache_read_tokens=sold[1],
        cache_write_5m_tokens=sold[2],
        cache_write_1h_tokens=sold[3],
        output_tokens=output,
    )
    assert cost_of(usage, rates) <= most_usd([rates], sum(sold) + more_input, output + more_output)


def _input_rates(rates: Rates) -> list[Decimal | None]:
    """None where some tier does not sell the bucket."""
    every = [rates, *(tier for _, tier in rates.tiers)]
    names = ("uncached_input", "cache_read", "cache_write_5m", "cache_write_1h")
    return [None if any(getattr(r, n) is None for r in every) else Decimal(0) for n in names]


def test_the_dearest_of_several_prices_counts() -> None:
    cheap = Rates(uncached_input=Decimal("0.1"), output=Decimal("0.2"), cache_write_1h=Decimal("0.3"))
    dear = Rates(uncached_input=Decimal("0.2"), output=Decimal("0.4"))
    assert most_usd([cheap, dear], 10, 10) == Decimal(6)
    assert most_usd([cheap], 10, 10) == Decimal(5)


@pytest.mark.parametrize("rates", [[], [Rates(uncached_input=None, output=Decimal(1))]])
def test_without_a_price_there_is_no_bound(rates: list[Rates]) -> None:
    with pytest.raises(Unbounded, match="no known price"):
        most_usd(rates, 1, 1)
