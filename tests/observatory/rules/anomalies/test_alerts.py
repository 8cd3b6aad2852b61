"""What an anomaly says: figures in its sentence; times in its details, which readers see in their own zone."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest
from msgspec.structs import replace

from observatory.rules.anomalies.alerts import anomaly_alert
from observatory.rules.anomalies.series import Metric, Raised

COST = Raised(
    metric="cost_rate", since_s=1_700_000_000, until_s=1_700_000_060, factor=3.25, deviations=6.5, calls=40,
    seen=Decimal("0.1230"), expected=Decimal("0.5"), usual_s=3600, calls_factor=3.0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("metric", "seen", "said"),
    [
        ("error_rate", 0.25, "error rate of gpt-4o is 25.0% instead of 1.0%"),
        ("latency_p95", 2500.0, "p95 latency of gpt-4o is 3.25 times the usual, 2,500 instead of 0 ms"),
        ("tokens_per_call", 900.0, "tokens a call of gpt-4o is 3.25 times the usual, 900 instead of 0"),
    ],
)
def test_a_figure_is_told_without_its_times(metric: Metric, seen: float, said: str) -> None:
    raised = replace(COST, metric=metric, seen=seen, expected=0.01)
    assert anomaly_alert("acme", "gpt-4o", raised, []).message == said


def test_a_cost_is_told_to_the_last_digit_and_its_times_are_details() -> None:
    alert = anomaly_alert("acme", "gpt-4o", COST, [UUID(int=1)])
    assert alert.message == "cost of gpt-4o is 3.25 times the usual, 0.123 USD in 60 s"
    assert (alert.details["since"], alert.details["until"]) == (
        "2023-11-14T22:13:20.000000Z",
        "2023-11-14T22:14:20.000000Z",
    )
    dearer = anomaly_alert("acme", "gpt-4o", replace(COST, price_factor=4.0), [])
    assert dearer.message == (
        "cost of gpt-4o is 4 times the usual for each token, 3.25 times the usual in all, 0.123 USD in 60 s"
    )
