"""Whether anything is wrong right now, from what was found to the one line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from observatory.rules import concerns
from observatory.rules.concerns import Concern, state_of, summary, worst_first

NOW = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)


def test_nothing_is_wrong() -> None:
    assert state_of([]) == "ok"
    assert summary([], 6) == "Nothing is wrong: all 6 processes are well, no alert stands, and figures are complete."
    assert "processes" not in summary([], 0)


def test_what_is_critical_comes_first_and_names_itself() -> None:
    found = worst_first(
        [
            *concerns.of_alerts({("unpriced_model", "warning"): (2, "no price is known for m")}),
            *concerns.of_processes({"chat-1": "Connection refused", "ledger-1": None}),
        ]
    )
    assert [one.subject for one in found] == ["chat-1", "unpriced_model"]
    assert state_of(found) == "wrong"
    assert summary(found, 2) == "1 thing is wrong: chat-1 is not well: Connection refused. 2 more need attention."


def test_warnings_alone_only_want_attention() -> None:
    found = concerns.of_dead_letters("chat.requests", 1) + concerns.of_alerts(
        {("anomaly", "warning"): (1, "cost is high")}
    )
    assert state_of(found) == "attention"
    assert summary(found, 2) == (
        "Nothing is down, but 1 dead letter of chat.requests waits to be sent again; cost is high."
    )


def test_alerts_of_one_kind_are_told_by_the_latest() -> None:
    (one,) = concerns.of_alerts({("budget_threshold", "critical"): (3, "budget all has reached 100 %")})
    assert one.sentence == "budget all has reached 100 % (and 2 more of this kind)"


def test_each_alert_of_a_kind_is_counted() -> None:
    (three,) = concerns.of_alerts({("anomaly", "critical"): (3, "cost of m is high")})
    (lag,) = concerns.of_lag("ledger", "llm.calls", 2_000)
    assert summary([three], 1) == "3 things are wrong: cost of m is high (and 2 more of this kind)."
    assert summary([three, lag], 1).endswith("(and 2 more of this kind). 1 more needs attention.")
    away = [concerns.of_service(f"s{number}", "no answer") for number in range(3)]
    assert summary([*away, three], 1).startswith("6 things are wrong: s0 does not answer: no answer; ")
    assert summary([*away, three], 1).endswith("; and 3 more.")


def test_a_long_list_is_cut() -> None:
    many = [Concern("process", "critical", f"p{number}", f"p{number} is away") for number in range(5)]
    assert summary(many, 5) == "5 things are wrong: p0 is away; p1 is away; p2 is away; and 2 more."


@pytest.mark.parametrize(
    ("records", "severity"), [(0, None), (999, None), (1_000, "warning"), (99_999, "warning"), (100_000, "critical")]
)
def test_lag_is_judged_as_the_rules_of_prometheus_judge_it(records: int, severity: str | None) -> None:
    found = concerns.of_lag("ledger", "llm.calls", records)
    assert [one.severity for one in found] == ([] if severity is None else [severity])


def test_figures_are_late_after_a_minute() -> None:
    assert concerns.of_watermark(NOW, NOW - timedelta(seconds=60)) == []
    (late,) = concerns.of_watermark(NOW, NOW - timedelta(seconds=93))
    assert late.sentence == "figures are complete only up to 93 s ago"
    (never,) = concerns.of_watermark(NOW, None)
    assert "not every partition was read" in never.sentence


def test_rows_wait_too_long_for_the_broker() -> None:
    assert concerns.of_outbox("calls", 5, 59.0) == []
    (waits,) = concerns.of_outbox("calls", 5, 61.0)
    assert waits.sentence == "5 calls wait for the broker, the oldest for 61 s"


def test_providers_that_are_down_are_worse_than_slow_ones() -> None:
    found = concerns.of_providers({"openai": "down", "anthropic": "degraded", "azure": "healthy"})
    assert [(one.subject, one.severity) for one in found] == [("openai", "critical"), ("anthropic", "warning")]


def test_a_service_that_is_away_is_wrong() -> None:
    assert state_of([concerns.of_service("Kafka", "connection refused")]) == "wrong"
