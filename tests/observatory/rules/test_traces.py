"""A trace is its spans: their order, their records, repeats and how many there are do not matter."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.rules import traces
from observatory.rules.trace_shape import shape_of
from observatory.rules.traces import ModelCall, Outline, Trace

Spans = list[tuple[str, Outline]]

ids = st.integers(1, 12).map("{:016x}".format)
calls = st.builds(
    ModelCall,
    provider=st.just("sim"),
    model=st.sampled_from("ab"),
    cost_usd=st.none() | st.decimals(0, 1, places=9),
    input_tokens=st.integers(0, 100),
    output_tokens=st.integers(0, 100),
)
outlines = st.builds(
    lambda parent, service, name, start, took, error, call: Outline(
        parent, service, name, start, start + took, error, call
    ),
    st.just("") | ids,
    st.sampled_from(["gateway", "chat", "app"]),
    st.sampled_from("xyz"),
    st.integers(0, 50),
    st.integers(0, 50),
    st.booleans(),
    st.none() | calls,
)
spans_of_a_trace = st.lists(st.tuples(ids, outlines), min_size=1, max_size=20)
distinct = st.dictionaries(ids, outlines, min_size=1).map(lambda found: list(found.items()))


def trace_of(spans: Iterable[tuple[str, Outline]], stored_after: int = 10**9) -> Trace:
    """The trace of spans in this order; now and then stored, and read again in another order."""
    trace = Trace("acme", "0" * 32)
    for number, (span_id, span) in enumerate(spans, 1):
        trace.add(span_id, span)
        trace.note("services", span.service)
        if number % stored_after == 0:
            trace = msgspec.json.decode(msgspec.json.encode(trace), type=Trace)
            trace.spans = dict(sorted(trace.spans.items()))
    return trace


def summary(trace: Trace) -> object:
    """All that anybody sees of a trace."""
    shape = shape_of(trace.outlines)
    return trace.sums, trace.first, trace.services, trace.outlines, trace.forgotten, shape


@given(spans_of_a_trace, st.randoms(use_true_random=False), st.integers(1, 5))
def test_any_order_and_any_split_give_the_same_trace(spans: Spans, random: object, stored_after: int) -> None:
    shuffled = list(spans) + spans[:3]
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis calls it an object
    assert summary(trace_of(shuffled, stored_after)) == summary(trace_of(spans))


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Traces of more than four spans are long."""
    monkeypatch.setattr(traces, "MOST_SPANS", 4)
    monkeypatch.setattr(traces, "SPARE_SPANS", 2)


@pytest.mark.usefixtures("short")
@given(distinct, st.randoms(use_true_random=False), st.integers(1, 5))
def test_of_a_long_trace_too_and_its_repeats_are_known(spans: Spans, random: object, stored_after: int) -> None:
    shuffled = spans * 2
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis calls it an object
    trace = trace_of(shuffled, stored_after)
    assert summary(trace) == summary(trace_of(spans))
    assert trace.sums == sums_by_hand(spans)
    assert len(trace.outlines) == min(4, len(spans))
    assert len(trace.spans) <= 6


def sums_by_hand(spans: Spans) -> traces.Sums:
    every = [span for _, span in spans]
    called = [span.call for span in every if span.call is not None]
    return traces.Sums(
        spans=len(every),
        errors=sum(span.error for span in every),
        calls=len(called),
        unpriced_calls=sum(call.cost_usd is None for call in called),
        input_tokens=sum(call.input_tokens for call in called),
        output_tokens=sum(call.output_tokens for call in called),
        cost_usd=sum((call.cost_usd for call in called if call.cost_usd is not None), Decimal(0)),
        start_us=min(span.start_us for span in every),
        end_us=max(span.end_us for span in every),
    )


@pytest.mark.usefixtures("short")
def test_ids_beyond_what_is_kept_are_counted_as_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "MOST_IDS", 5)
    trace = trace_of((f"{n:016x}", Outline("", "s", "n", n, n)) for n in range(1, 30))
    assert trace.sums.spans == 29
    assert len(trace.rest_ids) == 5 * 8
    assert trace.forgotten == 29 - len(trace.spans) - 5 > 0


def test_of_names_the_first_by_the_alphabet_stay() -> None:
    names = [f"service {n:02}" for n in range(40)]
    forwards, backwards = Trace("", ""), Trace("", "")
    for name in names:
        forwards.note("services", name)
    for name in reversed(names):
        backwards.note("services", name)
    assert forwards.services == backwards.services == names[: traces.MOST_NAMES]


def test_ten_thousand_spans_stay_small_and_right() -> None:
    call = ModelCall("sim", "m", Decimal("0.000000001"), 1, 2)
    trace = Trace("acme", "0" * 32)
    for n in range(1, 10_001):
        trace.add(f"{n:016x}", Outline(f"{n // 10:016x}" if n > 1 else "", "s", "n", n, n + n % 7, n % 100 == 0, call))
        assert not trace.add(f"{(n + 1) // 2:016x}", trace.spans.get(f"{(n + 1) // 2:016x}", Outline("", "", "", 0, 0)))
    assert (trace.sums.spans, trace.sums.errors, trace.sums.cost_usd) == (10_000, 100, Decimal("0.00001"))
    assert trace.forgotten == 0
    assert len(trace.outlines) == traces.MOST_SPANS
    assert len(msgspec.json.encode(trace)) < 400_000
