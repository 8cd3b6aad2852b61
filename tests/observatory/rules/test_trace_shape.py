"""The tree of a trace, its critical path and its service graph, whatever spans there are."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from observatory.rules.trace_shape import EdgeFigures, shape_of
from observatory.rules.traces import ModelCall, Outline
from tests.observatory.rules.test_traces import ids, outlines


def span(parent: str, start: int, end: int, service: str = "s", *, error: bool = False) -> Outline:
    return Outline(parent, service, "n", start, end, error)


@given(st.dictionaries(ids, outlines, min_size=1))
def test_every_span_has_one_place_and_the_path_adds_up(spans: dict[str, Outline]) -> None:
    shape = shape_of(spans)
    placed = [*shape.roots, *(child for below in shape.children.values() for child in below)]
    assert sorted(placed) == sorted(spans)
    assert all(spans[child].parent == parent for parent, below in shape.children.items() for child in below)
    root = spans[shape.roots[0]]
    assert sum(own for _, own in shape.critical_path) == root.end_us - root.start_us
    assert sum(figures.critical_us for figures in shape.services.values()) == root.end_us - root.start_us
    assert all(own > 0 for _, own in shape.critical_path)


def test_the_path_goes_through_what_was_waited_for() -> None:
    spans = {
        "root": span("", 0, 100),
        "first": span("root", 10, 40),
        "beside": span("root", 15, 35),
        "second": span("root", 50, 90),
        "inner": span("second", 60, 80),
    }
    path = shape_of(spans).critical_path
    assert path == [("root", 10 + 10 + 10), ("first", 30), ("second", 10 + 10), ("inner", 20)]


def test_what_goes_on_after_its_parent_counts_up_to_its_end() -> None:
    spans = {"root": span("", 0, 100), "later": span("root", 60, 500), "early": span("root", -30, 20)}
    shape = shape_of(spans)
    assert shape.critical_path == [("early", 20), ("root", 40), ("later", 40)]
    assert shape.skewed == 0
    assert shape_of({"root": span("", 5_000, 6_000), "early": span("root", 3_999, 5_500)}).skewed == 1


def test_spans_whose_parent_is_missing_or_below_them_are_roots() -> None:
    spans = {
        "orphan": span("gone", 1, 2),
        "a": span("b", 5, 6),
        "b": span("a", 7, 8),
        "self": span("self", 3, 4),
        "root": span("", 9, 10),
    }
    shape = shape_of(spans)
    assert shape.roots == ["root", "orphan", "self", "a"]
    assert shape.children == {"a": ["b"]}
    assert shape.orphans == 1


def test_a_chain_of_two_thousand_spans_is_walked() -> None:
    spans = {f"{n}": span(f"{n - 1}" if n else "", n, 4_000 - n) for n in range(2_000)}
    path = shape_of(spans).critical_path
    assert len(path) == 2_000
    assert path[0] == ("0", 2)


def test_services_are_nodes_and_calls_between_them_edges() -> None:
    call = ModelCall("openai", "gpt", Decimal(1), 1, 1)
    spans = {
        "root": span("", 0, 100, "gateway"),
        "one": span("root", 10, 40, "chat"),
        "two": span("root", 40, 90, "chat", error=True),
        "within": span("two", 50, 60, "chat"),
        "llm": Outline("two", "chat", "n", 60, 80, False, call),
    }
    shape = shape_of(spans)
    assert shape.edges == {
        ("gateway", "chat"): EdgeFigures(calls=2, errors=1, total_us=80, longest_us=50),
        ("chat", "openai"): EdgeFigures(calls=1, errors=0, total_us=20, longest_us=20),
    }
    assert {name: (f.spans, f.errors) for name, f in shape.services.items()} == {"gateway": (1, 0), "chat": (4, 1)}
