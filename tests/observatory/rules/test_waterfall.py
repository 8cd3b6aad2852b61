"""Bars of a trace lie where its spans lie."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from observatory.rules.trace_shape import shape_of
from observatory.rules.traces import Outline
from observatory.rules.waterfall import waterfall
from tests.observatory.rules.test_traces import ids, outlines


def test_children_stand_below_their_parent_and_bars_side_by_side() -> None:
    spans = {
        "root": Outline("", "s", "root", 0, 80),
        "b": Outline("root", "s", "b", 40, 80),
        "a": Outline("root", "s", "a", 0, 40),
        "in a": Outline("a", "s", "in a", 15, 25),
        "moment": Outline("root", "s", "moment", 80, 80),
    }
    lines = [(line.depth, line.span.name, line.bar) for line in waterfall(spans, shape_of(spans), 8)]
    assert lines == [
        (0, "root", "████████"),
        (1, "a", "████    "),
        (2, "in a", " ▐▌     "),
        (1, "b", "    ████"),
        (1, "moment", "       ▐"),
    ]


@given(st.dictionaries(ids, outlines, min_size=1), st.integers(1, 60))
def test_every_span_has_one_line_with_something_in_its_bar(spans: dict[str, Outline], width: int) -> None:
    lines = list(waterfall(spans, shape_of(spans), width))
    assert sorted(line.span_id for line in lines) == sorted(spans)
    assert all(len(line.bar) == width and line.bar.strip() for line in lines)
