"""What is promised: an alarm within a minute where traffic allows it, less than one false alarm a series and week.

A week of labelled traffic is gone through once for each series; every four hours a fault of each kind happens in a
branch of it, to the series as its JSON keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import pytest

from observatory.rules.anomalies.detector import new_series, step
from observatory.rules.anomalies.series import Metric, Raised, Resolved, Series
from observatory.rules.anomalies.windows import WINDOW_S
from tests.observatory.rules.anomalies.traffic import DAY, MONDAY_S, WEEK, Fault, FaultKind, Shape, Traffic

METRIC: Mapping[FaultKind, Metric] = {
    "price": "cost_rate", "calls": "cost_rate", "errors": "error_rate", "latency": "latency_p95",
    "tokens": "tokens_per_call",
}  # fmt: skip
FACTOR: Mapping[FaultKind, float] = {"price": 3, "calls": 3, "errors": 0.5, "latency": 1.6, "tokens": 2.5}
CALLS_NEEDED: Mapping[FaultKind, float] = {"price": 32, "calls": 32, "errors": 8, "latency": 64, "tokens": 32}
"""A window: with fewer a fault of this size is not told from chance within a minute, and is seen later."""

FAULT_S, EVERY = 600, 1440
SERIES = {4.0: 1, 150.0: 0}
"""Calls a window at noon of a workday, and a seed."""


@dataclass
class Found:
    """`false` alarms of a series' week; for each fault (kind, usual calls, seconds until its alarm or None)."""

    false: list[Raised] = field(default_factory=list)
    seen: list[tuple[FaultKind, float, int | None]] = field(default_factory=list)
    raised: list[int] = field(default_factory=list)
    """How many alarms of its metric each fault raised."""
    unresolved: int = 0
    """Faults whose alarm still stood ten minutes after them."""


@pytest.fixture(scope="module")
def weeks() -> dict[float, Found]:
    return {calls: a_week(calls, seed) for calls, seed in SERIES.items()}


def a_week(calls: float, seed: int) -> Found:
    traffic, series, found = Traffic(Shape(calls=calls), seed), new_series(MONDAY_S), Found()
    for index in range(WEEK):
        if index >= DAY and index % EVERY == 0:
            for place, kind in enumerate(METRIC):
                a_fault(traffic, series, kind, 3 + 2 * place, found)
        found.false += [change for change in step(series, traffic.next()) if isinstance(change, Raised)]
    return found


def a_fault(traffic: Traffic, series: Series, kind: FaultKind, after_s: int, found: Found) -> None:
    branch = traffic.branch()
    kept = msgspec.json.decode(msgspec.json.encode(series), type=Series)
    at_s = traffic.index * WINDOW_S + after_s
    fault = Fault(kind=kind, at_s=at_s, for_s=FAULT_S, factor=FACTOR[kind])
    raised = [
        change
        for _ in range(2 * FAULT_S // WINDOW_S)
        for change in step(kept, branch.next([fault]))
        if change.metric == METRIC[kind]
    ]
    begun = [change.until_s - MONDAY_S - at_s for change in raised if isinstance(change, Raised)]
    found.seen.append((kind, traffic.usual_calls, begun[0] if begun else None))
    found.raised.append(len(begun))
    found.unresolved += len(begun) - sum(isinstance(change, Resolved) for change in raised)


def test_fewer_than_one_false_alarm_a_series_and_week(weeks: dict[float, Found]) -> None:
    false = {calls: [(alarm.metric, alarm.factor) for alarm in week.false] for calls, week in weeks.items()}
    assert sum(map(len, false.values())) < len(SERIES), false
    assert max(map(len, false.values())) <= 1, false


@pytest.mark.parametrize("kind", METRIC)
def test_a_fault_is_seen_within_a_minute(weeks: dict[float, Found], kind: FaultKind) -> None:
    times = [
        took for week in weeks.values() for seen, calls, took in week.seen
        if seen == kind and calls >= CALLS_NEEDED[kind]
    ]  # fmt: skip
    assert len(times) >= 20
    assert [took for took in times if took is None or took >= 60] == []


def test_a_fault_is_raised_once_and_resolved_once(weeks: dict[float, Found]) -> None:
    counts = [count for calls, week in weeks.items() if calls >= 30 for count in week.raised if count]
    assert sum(count == 1 for count in counts) > 0.97 * len(counts)
    busy = [week for calls, week in weeks.items() if calls >= 30]
    assert sum(week.unresolved for week in busy) < 0.03 * sum(len(week.raised) for week in busy)


def test_the_memory_of_a_series_is_small() -> None:
    traffic, series = Traffic(Shape(calls=0.3), 5), new_series(MONDAY_S)
    for _ in range(WEEK):
        step(series, traffic.next())
    assert len(msgspec.json.encode(series)) < 8000
