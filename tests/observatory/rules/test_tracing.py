"""Whose decision it is to record a trace, and how it travels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.rules.tracing import Sampler, TraceContext, parse_traceparent

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"

ids = st.tuples(
    st.integers(1, 2**128 - 1).map("{:032x}".format), st.integers(1, 2**64 - 1).map("{:016x}".format), st.booleans()
)


@given(ids)
def test_what_is_written_is_read_again(parts: tuple[str, str, bool]) -> None:
    context = TraceContext(*parts)
    assert parse_traceparent(context.traceparent) == context


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "nonsense",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01\n",
    ],
)
def test_an_invalid_traceparent_is_none(text: str | None) -> None:
    assert parse_traceparent(text) is None


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert parse_traceparent(f"01-{TRACE}-{SPAN}-03-more") == TraceContext(TRACE, SPAN, sampled=True)


def test_only_the_first_flag_counts() -> None:
    assert parse_traceparent(f"00-{TRACE}-{SPAN}-02") == TraceContext(TRACE, SPAN, sampled=False)


@given(st.floats(0, 1), st.integers(0, 2**64 - 1))
def test_a_share_of_the_trace_ids_is_recorded(ratio: float, low: int) -> None:
    sampler = Sampler(ratio, 1, lambda: 0.0)
    assert sampler.samples(f"{'f' * 16}{low:016x}") == (low < round(ratio * 2**64))


def test_no_more_are_recorded_than_so_many_a_second() -> None:
    now = 100.0
    sampler = Sampler(1.0, 5, lambda: now)

    def recorded(asked: int) -> int:
        return sum(sampler.samples(TRACE) for _ in range(asked))

    assert recorded(20) == 5
    now += 0.4
    assert recorded(20) == 2
    now += 60
    assert recorded(20) == 5
