"""A trace as lines of text: its tree from the top, each span with a bar where it lies in the time of the whole."""

from collections.abc import Iterator
from typing import NamedTuple

from observatory.rules.trace_shape import Shape
from observatory.rules.traces import Outline, Outlines

_FULL, _LEFT_HALF, _RIGHT_HALF = "█", "▌", "▐"


class Line(NamedTuple):
    """One span: how deep it stands, its bar (as wide as all are), and its µs of the critical path (0: not on it)."""

    depth: int
    span_id: str
    span: Outline
    bar: str
    critical_us: int


def waterfall(spans: Outlines, shape: Shape, width: int) -> Iterator[Line]:
    """Parents before their children, earliest first; bars of `width` characters."""
    start = min(span.start_us for span in spans.values())
    whole = max(max(span.end_us for span in spans.values()) - start, 1)
    critical = dict(shape.critical_path)
    waiting = [(0, root) for root in reversed(shape.roots)]
    while waiting:
        depth, span_id = waiting.pop()
        span = spans[span_id]
        bar = _bar((span.start_us - start) / whole, (span.end_us - start) / whole, width)
        yield Line(depth, span_id, span, bar, critical.get(span_id, 0))
        waiting += [(depth + 1, child) for child in reversed(shape.children.get(span_id, []))]


def _bar(begin: float, end: float, width: int) -> str:
    """From one share of the whole to another, in half characters and at least one of them."""
    first = min(int(begin * width * 2), width * 2 - 1)
    last = max(first + 1, min(round(end * width * 2), width * 2))
    halves = [first <= half < last for half in range(width * 2)]
    pairs = zip(halves[0::2], halves[1::2], strict=True)
    return "".join(_FULL if a and b else _LEFT_HALF if a else _RIGHT_HALF if b else " " for a, b in pairs)
