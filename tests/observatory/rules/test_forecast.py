"""Burn rate and forecast: what they say of steady, of changing and of no spending."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from observatory.rules.forecast import Burn, burn, window_of

START = datetime(2026, 3, 1, tzinfo=UTC)
END = datetime(2026, 3, 2, tzinfo=UTC)
NOON = START + timedelta(hours=12)


def a_day(*, spent: str, recent: str, limit: str = "100", now: datetime = NOON) -> Burn:
    return burn(
        period="day",
        start=START,
        resets_at=END,
        now=now,
        limit_usd=Decimal(limit),
        spent_usd=Decimal(spent),
        recent_usd=Decimal(recent),
    )


def test_steady_spending_goes_on_as_it_was() -> None:
    assert a_day(spent="12", recent="1") == Burn(Decimal(1), Decimal(24), None)


def test_a_faster_last_hour_counts_half() -> None:
    found = a_day(spent="12", recent="9", limit="32")
    assert (found.usd_per_hour, found.forecast_usd) == (Decimal(5), Decimal(72))
    assert found.exhausted_at == NOON + timedelta(hours=4)


def test_nothing_spent_leads_nowhere() -> None:
    assert a_day(spent="0", recent="0") == Burn(Decimal(0), Decimal(0), None)


def test_what_is_used_up_is_used_up_now() -> None:
    assert a_day(spent="100", recent="0").exhausted_at == NOON


def test_a_period_that_has_just_begun_has_no_rate_yet() -> None:
    assert a_day(spent="3", recent="3", now=START) == Burn(Decimal(0), Decimal(3), None)


def test_a_budget_without_an_end_knows_its_last_days_only() -> None:
    now = NOON
    found = burn(
        period="total",
        start=datetime(1970, 1, 1, tzinfo=UTC),
        resets_at=None,
        now=now,
        limit_usd=Decimal(200),
        spent_usd=Decimal(100),
        recent_usd=Decimal(84),
    )
    assert found == Burn(Decimal("0.5"), None, now + timedelta(hours=200))


def test_the_last_part_never_begins_before_the_period() -> None:
    assert window_of("day", START, START + timedelta(minutes=5)) == START
    assert window_of("day", START, NOON) == NOON - timedelta(hours=1)


AMOUNTS = st.decimals(min_value=0, max_value=10**9, places=10, allow_nan=False, allow_infinity=False)


@given(spent=AMOUNTS, share=st.decimals(min_value=0, max_value=1, places=3), seconds=st.integers(1, 86_399))
def test_a_forecast_is_never_below_what_is_spent(spent: Decimal, share: Decimal, seconds: int) -> None:
    now = START + timedelta(seconds=seconds)
    found = burn(
        period="day",
        start=START,
        resets_at=END,
        now=now,
        limit_usd=Decimal(10),
        spent_usd=spent,
        recent_usd=spent * share,
    )
    assert found.forecast_usd is not None
    assert found.forecast_usd >= spent * Decimal("0.999999999")
    assert found.exhausted_at is None or now <= found.exhausted_at < END
