"""The shape of a trace: its tree, the path that its duration hangs on, and which service calls which.

Whatever came: parents that are missing, spans that are each other's parents, clocks that disagree.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from observatory.rules.traces import Outline, Outlines

TOLERATED_US = 1_000
"""How much earlier than its parent a span may begin: the broker's clock tells milliseconds."""


@dataclass(slots=True)
class ServiceFigures:
    """Of one service: its spans, and how long in µs the trace hung on it."""

    spans: int = 0
    errors: int = 0
    critical_us: int = 0


@dataclass(slots=True)
class EdgeFigures:
    """Of the calls from one service to another: how many, with an error, and their time in µs, in all and at most."""

    calls: int = 0
    errors: int = 0
    total_us: int = 0
    longest_us: int = 0

    def add(self, span: Outline) -> None:
        """Counts the called side of one call."""
        took = span.end_us - span.start_us
        self.calls += 1
        self.errors += span.error
        self.total_us += took
        self.longest_us = max(self.longest_us, took)


@dataclass(frozen=True, slots=True)
class Shape:
    """`roots` are spans without a parent that is there, the first the main one; of a circle the earliest is one.

    `children` by parent, earliest first. `critical_path`: the spans on it in the order of time, each with the µs for
    which the main root's end waited for it; they add up to the root's duration. `edges` by caller and called, where
    the provider of a call to a model is one that is called. `skewed` spans begin before their parent.
    """

    roots: list[str]
    children: Mapping[str, list[str]]
    critical_path: list[tuple[str, int]]
    services: dict[str, ServiceFigures]
    edges: dict[tuple[str, str], EdgeFigures]
    orphans: int
    skewed: int


@dataclass(slots=True)
class _Tree:
    spans: Outlines
    roots: list[str] = field(default_factory=list)
    children: dict[str, list[str]] = field(default_factory=dict)


def shape_of(spans: Outlines) -> Shape:
    """The shape of these spans."""
    tree = _tree(spans)
    path = critical_path(tree.spans, tree.children, tree.roots[0]) if tree.roots else []
    services: dict[str, ServiceFigures] = {}
    for span in spans.values():
        figures = services.setdefault(span.service, ServiceFigures())
        figures.spans += 1
        figures.errors += span.error
    for span_id, own_us in path:
        services[spans[span_id].service].critical_us += own_us
    parents = [(spans[parent], spans[child]) for parent, below in tree.children.items() for child in below]
    return Shape(
        roots=tree.roots,
        children=tree.children,
        critical_path=path,
        services=dict(sorted(services.items())),
        edges=_edges(spans, parents),
        orphans=sum(bool(span.parent) and span.parent not in spans for span in spans.values()),
        skewed=sum(child.start_us < parent.start_us - TOLERATED_US for parent, child in parents),
    )


def _tree(spans: Outlines) -> _Tree:
    """Every span once, below its parent or as a root; circles are cut before their earliest span."""
    tree = _Tree(spans)
    order = sorted(spans, key=lambda span_id: (spans[span_id].start_us, span_id))
    below: dict[str, list[str]] = {}
    for span_id in order:
        below.setdefault(spans[span_id].parent, []).append(span_id)
    reached: set[str] = set()

    def take(root: str) -> None:
        tree.roots.append(root)
        reached.add(root)
        waiting = [root]
        while waiting:
            parent = waiting.pop()
            children = [child for child in below.get(parent, ()) if child not in reached]
            if children:
                tree.children[parent] = children
                reached.update(children)
                waiting += children

    for root in sorted((s for s in order if spans[s].parent not in spans), key=lambda s: bool(spans[s].parent)):
        take(root)
    for span_id in order:
        if span_id not in reached:
            take(span_id)
    return tree


def critical_path(spans: Outlines, children: Mapping[str, list[str]], root: str) -> list[tuple[str, int]]:
    """The spans that the root's end waited for, each with its own µs of it, in the order of time.

    From the end backwards: of the children that had ended by then the one that ended last was waited for, and before
    it began, its parent. Children count only as far as they lie within their parent.
    """
    own: dict[str, int] = {}
    begun: dict[str, int] = {}
    waiting = [(root, spans[root].start_us, spans[root].end_us)]
    while waiting:
        span_id, low, high = waiting.pop()
        cursor = high
        for child, child_low, child_high in _within(spans, children.get(span_id, ()), low, high):
            if child_high <= cursor:
                own[span_id] = own.get(span_id, 0) + cursor - child_high
                waiting.append((child, child_low, child_high))
                cursor = child_low
        own[span_id] = own.get(span_id, 0) + cursor - low
        begun[span_id] = low
    return sorted(((s, us) for s, us in own.items() if us), key=lambda item: (begun[item[0]], item[0]))


def _within(spans: Outlines, children: list[str] | tuple[()], low: int, high: int) -> Iterator[tuple[str, int, int]]:
    """The children that take time within these bounds, cut to them, the last to end first."""
    cut = [(min(spans[c].end_us, high), max(spans[c].start_us, low), c) for c in children]
    for child_high, child_low, child in sorted(cut, reverse=True):
        if child_high > child_low:
            yield child, child_low, child_high


def _edges(spans: Outlines, parents: list[tuple[Outline, Outline]]) -> dict[tuple[str, str], EdgeFigures]:
    edges: dict[tuple[str, str], EdgeFigures] = {}
    for parent, child in parents:
        if parent.service != child.service:
            edges.setdefault((parent.service, child.service), EdgeFigures()).add(child)
    for span in spans.values():
        if span.call is not None:
            edges.setdefault((span.service, span.call.provider), EdgeFigures()).add(span)
    return dict(sorted(edges.items()))
