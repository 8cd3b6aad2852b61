"""What one-second windows say about now."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from observatory.rules.live_windows import KEEP_S, LiveWindows
from observatory.rules.sketch import index_of, pack
from schemas.metrics import MetricsWindow, ModelWindow

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
SECOND = int(BEGIN.timestamp())


def window(second: int, calls: int, *, revision: int = 1, cost: str = "0.01", ms: float = 100) -> MetricsWindow:
    sums: dict[str, Any] = {
        "calls": calls, "errors": calls // 2, "unpriced_calls": 0, "input_tokens": 10 * calls, "output_tokens": calls,
        "cost_usd": Decimal(cost), "latency_ms_hist": pack({index_of(ms): calls}), "ttft_ms_hist": [],
    }  # fmt: skip
    return MetricsWindow(
        tenant_id="t", window_start=BEGIN + timedelta(seconds=second), revision=revision, complete=False,
        models=[ModelWindow(provider="p", model="m", **sums)], **sums,
    )  # fmt: skip


def test_the_highest_revision_of_a_second_holds_in_whatever_order_they_come() -> None:
    windows = LiveWindows()
    for one in (window(0, 4, revision=2), window(0, 2, revision=1), window(0, 6, revision=3)):
        windows.take(one)
    assert windows.whole(SECOND + 1, 1).calls == 6


def test_rates_are_over_the_seconds_before_the_end_alone() -> None:
    windows = LiveWindows()
    for second in range(20):
        windows.take(window(second, 10, cost="0.00000000012"))
    live = windows.whole(SECOND + 15, 10)
    assert (live.calls, live.calls_per_s, live.error_rate, live.tokens_per_s) == (100, 10.0, 0.5, 110.0)
    assert live.cost_usd == Decimal("0.0000000012")
    assert live.usd_per_hour == Decimal("0.000000432")
    assert live.latency_ms(0.95) is not None
    assert live.ttft_ms(0.95) is None
    assert windows.by_model(SECOND + 15, 10)["p", "m"].calls == 100
    assert windows.calls_by_second(SECOND + 22, 4) == [10, 10, 0, 0]


def test_without_windows_everything_is_nothing() -> None:
    live = LiveWindows().whole(SECOND, 10)
    assert live.calls == live.usd_per_hour == 0
    assert live.error_rate is None
    assert live.latency_ms(0.5) is None


def test_old_windows_are_forgotten() -> None:
    windows = LiveWindows()
    for second in (0, 1, KEEP_S, KEEP_S + 1):
        windows.take(window(second, 1))
    assert windows.whole(SECOND + KEEP_S + 2, KEEP_S + 2).calls == 2
