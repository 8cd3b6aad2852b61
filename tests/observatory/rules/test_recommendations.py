"""Savings: exact, in a month, and only where they are proven."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.rules.cheaper_models import Cheaper, ModelUse, cheaper_model, shown_cheaper
from observatory.rules.experiments.analysis import Analysis, Comparison, Conclusion
from observatory.rules.experiments.means import Interval
from observatory.rules.pricing import PriceQuery, Rates
from observatory.rules.recommendations import Recommendation, in_a_month, worth_it
from observatory.rules.usage import StoredUsage
from schemas.calls import Usage
from schemas.experiments import ExperimentDefinition, Metric

NOW = datetime(2026, 11, 25, tzinfo=UTC)
DEFINITION = ExperimentDefinition.model_validate(
    {
        "variants": [
            {"name": "now", "overrides": {"model": "dear"}},
            {"name": "mini", "overrides": {"model": "cheap"}},
            {"name": "prompt", "overrides": {"model": "dear", "temperature": 0.5}},
        ]
    }
)


def compared(
    metric: Metric, interval: Interval | None, variant: str = "mini", change: float | None = None
) -> Comparison:
    better: Conclusion = "better" if change is not None and change < 0 else "no_difference_seen"
    return Comparison(
        variant=variant, metric=metric, units=500, control_units=500, mean=1.0, control_mean=1.0, level=0.01,
        conclusion=better, difference_interval=interval, change=change,
    )  # fmt: skip


PROVEN = (
    compared("cost", (-0.9, -0.5), change=-0.7),
    compared("feedback", (-0.04, 0.06)),
    compared("errors", (-0.02, 0.009)),
)


def analysis(*comparisons: Comparison, split_p_value: float = 0.5) -> Analysis:
    return Analysis(definition=DEFINITION, variants=[], comparisons=comparisons, split_p_value=split_p_value)


class Book:
    """Prices of models, the same at all times."""

    def __init__(self, **rates: Rates) -> None:
        self._rates = rates

    def rates(self, query: PriceQuery) -> tuple[Rates, str] | None:
        found = self._rates.get(query.model)
        return None if found is None else (found, "test")

    def cost(self, query: PriceQuery, usage: Usage | StoredUsage) -> tuple[Decimal, str] | None:
        raise AssertionError("savings are computed from rates")


CHEAP = Rates(uncached_input=Decimal("0.0000001"), output=Decimal("0.0000004"), cache_read=Decimal("0.00000005"))
USE = ModelUse(
    tenant_id="acme", provider="openai", model="dear", service_tier=None, region=None, first_at=NOW, calls=10,
    cost_usd=Decimal("5.00"), uncached_input_tokens=1_000_000, cache_read_tokens=200_000, cache_write_5m_tokens=0,
    cache_write_1h_tokens=0, output_tokens=500_000,
)  # fmt: skip


def shown() -> Cheaper:
    found = shown_cheaper("acme", "e1", analysis(*PROVEN))
    assert found is not None
    return found


@given(st.decimals(0, 10**9, places=12), st.sampled_from([1, 2, 3, 5, 6, 10, 15, 30]))
def test_a_month_is_exact(amount: Decimal, days: int) -> None:
    assert in_a_month(amount, days) * days == amount * 30


@pytest.mark.parametrize("days", [0, 7, 31, -10])
def test_days_that_do_not_divide_a_month_are_refused(days: int) -> None:
    with pytest.raises(ValueError, match="divide"):
        in_a_month(Decimal(1), days)


def test_the_most_of_each_tenant_and_kind_are_kept_and_what_saves_nothing_is_not() -> None:
    found = [
        Recommendation(
            kind="avoid_failures", tenant_id=tenant, subject={"cause": str(n)}, saving_usd=Decimal(usd), evidence={}
        )
        for tenant in ("a", "b")
        for n, usd in enumerate(("1", "3", "0.009", "2", "-1"))
    ]
    assert [one.saving_usd for one in worth_it(found, 2)] == [3, 3, 2, 2]
    assert len(worth_it(found, 50)) == 6


def test_a_cheaper_model_that_is_as_good_is_worth_what_its_rates_are_lower() -> None:
    assert (shown().instead_of, shown().model) == ("dear", "cheap")
    found = cheaper_model(shown(), [USE, replace(USE, tenant_id="other")], Book(cheap=CHEAP), 10)
    assert found is not None
    # 1,000,000 at 0.10 a million, 200,000 at 0.05 and 500,000 at 0.40 are 0.10 + 0.01 + 0.20 instead of 5.00.
    assert found.saving_usd == 3 * Decimal("4.69")
    assert found.evidence["rating_at_worst"] == -0.04
    assert found.evidence["errors_at_worst"] == 0.009


@pytest.mark.parametrize(
    "comparisons",
    [
        (),
        PROVEN[:2],
        (PROVEN[0], PROVEN[2]),
        (compared("cost", (-0.9, 0.1)), *PROVEN[1:]),
        (PROVEN[0], compared("feedback", (-0.06, 0.2)), PROVEN[2]),
        (PROVEN[0], compared("feedback", None), PROVEN[2]),
        (PROVEN[0], PROVEN[1], compared("errors", (-0.01, 0.011))),
        [replace(one, variant="prompt") for one in PROVEN],
    ],
)
def test_what_is_not_proven_is_not_recommended(comparisons: tuple[Comparison, ...]) -> None:
    assert shown_cheaper("acme", "e1", analysis(*comparisons)) is None


def test_an_experiment_with_a_wrong_split_shows_nothing() -> None:
    assert shown_cheaper("acme", "e1", analysis(*PROVEN, split_p_value=1e-9)) is None


def test_without_its_rates_nothing_is_said_of_a_model() -> None:
    assert cheaper_model(shown(), [USE], Book(), 10) is None
    assert cheaper_model(shown(), [USE], Book(cheap=replace(CHEAP, cache_read=None)), 10) is None
    assert cheaper_model(shown(), [USE], Book(cheap=replace(CHEAP, tiers=((200_000, CHEAP),))), 10) is None
    assert cheaper_model(shown(), [], Book(cheap=CHEAP), 10) is None
