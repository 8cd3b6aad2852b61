"""The bench's figures: quantiles, CPU and memory from /proc, and the events that it makes."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from loadtests.bench.call_events import MODELS, call_events
from loadtests.bench.phases import CLIENT, OTHERS, measured_cpu
from loadtests.bench.problems import BenchError
from loadtests.bench.processes import cpu_seconds, memory_bytes
from loadtests.bench.span_events import span_events
from loadtests.bench.tally import quantile
from schemas.calls import LlmCallRecorded
from schemas.spans import SpansReceived

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
USD_PER_MILLION = {
    "gpt-4o-mini": ("0.15", "0.075", "0.60"),
    "gpt-4o": ("2.50", "1.25", "10"),
    "gpt-4.1-mini": ("0.40", "0.20", "1.60"),
    "gpt-4.1-nano": ("0.10", "0.05", "0.40"),
}


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100)])
def test_a_quantile_is_the_least_value_that_the_share_does_not_exceed(share: float, value: int) -> None:
    assert quantile(list(range(100, 0, -1)), share) == value


def test_a_quantile_of_nothing_is_refused() -> None:
    with pytest.raises(BenchError):
        quantile([], 0.5)


def test_work_of_a_process_and_of_its_ended_children_is_counted() -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    before = cpu_seconds({"me": os.getpid()})["me"]
    subprocess.run([sys.executable, "-c", burn], check=True)
    assert cpu_seconds({"me": os.getpid()})["me"] - before >= 0.29


def test_memory_grows_with_what_a_process_holds() -> None:
    before = memory_bytes({"me": os.getpid()})["me"]
    held = bytearray(os.urandom(1)) * 50_000_000
    assert memory_bytes({"me": os.getpid()})["me"] - before > 40_000_000
    del held


def test_the_clients_own_work_is_shown_as_its_own() -> None:
    with measured_cpu({}) as cpu:
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass
    assert cpu.seconds[CLIENT] >= 0.19
    assert cpu.seconds[OTHERS] >= 0
    assert cpu.wall_s >= 0.19


def test_a_process_that_ends_while_it_is_measured_spoils_the_figure() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with pytest.raises(BenchError, match="ended while"), measured_cpu({"short": process.pid}):
        process.communicate(b"\n")


def test_events_are_valid_different_in_order_and_exactly_priced() -> None:
    calls = [LlmCallRecorded.model_validate_json(body) for _, body, _ in call_events(400, NOW)]
    assert len({call.call_id for call in calls}) == 400
    assert calls[-1].started_at == NOW
    assert all(later.started_at - earlier.started_at == timedelta(milliseconds=2) for earlier, later in pairwise(calls))
    assert {call.request_model for call in calls} == {name for name, _, _ in MODELS}
    for call in calls:
        assert call.usage is not None
        fresh, cached, output = (Decimal(usd) / 1_000_000 for usd in USD_PER_MILLION[call.request_model])
        usage = call.usage
        assert call.cost_usd == (
            usage.uncached_input_tokens * fresh + usage.cache_read_tokens * cached + usage.output_tokens * output
        )


def test_spans_are_valid_different_and_make_whole_traces() -> None:
    records = [SpansReceived.model_validate_json(body) for _, body, _ in span_events(40, NOW)]
    by_trace: dict[str, list[SpansReceived]] = {}
    for record in records:
        by_trace.setdefault(record.trace_id, []).append(record)
    assert [[one.service for one in trace] for trace in by_trace.values()] == [["gateway", "chat"]] * 20
    for trace in by_trace.values():
        spans = {span.span_id: span for record in trace for span in record.spans}
        assert len(spans) == 8
        assert [span.name for span in spans.values() if span.parent_span_id is None] == ["POST /v1/chat/completions"]
        assert all(span.parent_span_id in spans for span in spans.values() if span.parent_span_id is not None)
        assert [span.cost_usd for span in spans.values() if span.call_id is not None] == [Decimal("0.000123")]
