"""When a provider is degraded or down, and when it is well again."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from observatory.rules.health import FORGET_S, STAY_S, Health, Measured, State, judge, judge_provider

WELL = Measured(calls=60, recent_calls=10)
FAILING = Measured(calls=20, errors=19, faults=19, recent_calls=5, recent_faults=5)
SILENT = Measured()


def after(measured: Iterable[Measured], known: Health | None = None, start_s: int = 0) -> Health:
    """Judged once a second."""
    for second, one in enumerate(measured, start_s):
        known = judge(known, one, second, 1)
    assert known is not None
    return known


@pytest.mark.parametrize(
    ("measured", "state"),
    [
        (WELL, "healthy"),
        (Measured(calls=60, errors=60, recent_calls=10), "healthy"),
        (Measured(calls=4, errors=4, faults=4, recent_calls=4, recent_faults=4), "healthy"),
        (Measured(calls=60, errors=15, faults=15, recent_calls=10, recent_faults=2), "degraded"),
        (FAILING, "down"),
        (Measured(calls=60, errors=10, faults=10, recent_calls=10, recent_faults=10), "down"),
        (Measured(calls=60, errors=9, faults=9, recent_calls=9, recent_faults=9), "healthy"),
        (Measured(calls=60, errors=50, faults=50, recent_calls=10, recent_faults=0), "degraded"),
    ],
)
def test_it_is_as_bad_as_its_own_faults(measured: Measured, state: State) -> None:
    assert after([measured]).state == state


def test_a_provider_that_is_down_is_tried_until_it_answers() -> None:
    down = after([FAILING])
    one_answer = Measured(calls=20, errors=18, faults=18, recent_calls=1)
    assert after([one_answer] * 30, down, 1).state == "down"
    answers = Measured(calls=20, errors=15, faults=15, recent_calls=3)
    assert after([answers], down, 1).state == "degraded"


def test_it_is_well_again_only_after_a_while() -> None:
    degraded = after([Measured(calls=60, errors=15, faults=15, recent_calls=10)])
    assert after([WELL] * (STAY_S - 1), degraded, 1).state == "degraded"
    assert after([WELL] * STAY_S, degraded, 1).state == "healthy"
    still = Measured(calls=60, errors=9, faults=9, recent_calls=10)
    assert after([still] * 100, degraded, 1).state == "degraded"


def test_what_is_not_called_is_forgotten() -> None:
    down = after([FAILING])
    assert after([SILENT] * (FORGET_S - 1), down, 1).state == "down"
    assert after([SILENT] * FORGET_S, down, 1).state == "healthy"


def test_slowness_is_judged_by_what_is_usual() -> None:
    usual = [Measured(calls=60, recent_calls=10, p95_ms=900.0)] * 60
    known = after(usual)
    assert after([Measured(calls=60, recent_calls=10, p95_ms=2500.0)], known, 60).state == "healthy"
    slow = after([Measured(calls=60, recent_calls=10, p95_ms=3000.0)] * 10, known, 60)
    assert slow.state == "degraded"
    assert slow.usual_log_ms == known.usual_log_ms
    new = Measured(calls=60, recent_calls=10, p95_ms=30_000.0)
    assert after([Measured(calls=60, recent_calls=10, p95_ms=900.0), new]).state == "healthy"


def test_a_provider_with_one_bad_model_is_degraded() -> None:
    judged = judge_provider(None, {"a": WELL, "b": FAILING}, 100, 1)
    assert judged.health.state == "degraded"
    assert {name: health.state for name, health in judged.models.items()} == {"a": "healthy", "b": "down"}
    later = judge_provider(judged, {"a": WELL, "b": FAILING}, 101, 1)
    assert later.health.since_s == 100
