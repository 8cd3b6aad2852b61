"""What is remembered of a trace: the outlines of its most telling spans, and sums over all of them.

The same spans give the same trace in whatever order and in whatever records they come. A span is known by its id: when
it comes again nothing changes, and of several spans under one id the one that ends last stays. Of a very long trace
the outlines of `MOST_SPANS` spans are kept for good; the others are only counted, and their ids kept so that each is
counted once.
"""

from collections.abc import Mapping
from decimal import Decimal
from itertools import islice

import msgspec

from observatory.rules.money import MONEY, ZERO

MOST_SPANS = 2_000
SPARE_SPANS = 500
"""Outlines beyond `MOST_SPANS` until they are put away together."""
MOST_IDS = 16_384
"""Ids of spans without an outline; of what is beyond, a repeat is counted again."""
MOST_NAMES = 16
LONGEST_NAME = 64
ID_BYTES = 8


class ModelCall(msgspec.Struct, array_like=True, frozen=True):
    """What a span that is an accounted call cost; None: no price is known. `model` is as answered, else as asked."""

    provider: str
    model: str
    cost_usd: Decimal | None
    input_tokens: int
    output_tokens: int


class Outline(msgspec.Struct, array_like=True, frozen=True):
    """A span without its details. `parent` is empty for none; times in µs since 1970, the end not before the start."""

    parent: str
    service: str
    name: str
    start_us: int
    end_us: int
    error: bool = False
    call: ModelCall | None = None


class Sums(msgspec.Struct):
    """Over spans: how many, from when to when, what their calls cost. `unpriced_calls` are missing from the cost."""

    spans: int = 0
    errors: int = 0
    calls: int = 0
    unpriced_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = ZERO
    start_us: int = 0
    end_us: int = 0

    def add(self, span: Outline) -> None:
        """Counts one more span."""
        if span.start_us < self.start_us or not self.spans:
            self.start_us = span.start_us
        if span.end_us > self.end_us or not self.spans:
            self.end_us = span.end_us
        self.spans += 1
        self.errors += span.error
        if span.call is not None:
            self._add_call(span.call)

    def _add_call(self, call: ModelCall) -> None:
        self.calls += 1
        self.input_tokens += call.input_tokens
        self.output_tokens += call.output_tokens
        if call.cost_usd is None:
            self.unpriced_calls += 1
        else:
            self.cost_usd = MONEY.add(self.cost_usd, call.cost_usd)


class First(msgspec.Struct, frozen=True):
    """The span that a trace begins with: the earliest without a parent or, as long as none came (`orphan`), of all."""

    orphan: bool
    start_us: int
    span_id: str
    service: str
    name: str

    @property
    def order(self) -> tuple[bool, int, str]:
        """The first is the least by this."""
        return self.orphan, self.start_us, self.span_id


class Trace(msgspec.Struct):
    """A trace so far. Of names there are at most `MOST_NAMES` of each kind, sorted, the first by the alphabet.

    `rest` sums the spans without an outline, whose ids are in `rest_ids`, sorted, eight bytes each; `forgotten` counts
    those whose ids are not there either.
    """

    tenant_id: str
    trace_id: str
    sums: Sums = msgspec.field(default_factory=Sums)
    first: First | None = None
    services: list[str] = []
    models: list[str] = []
    conversation_ids: list[str] = []
    user_ids: list[str] = []
    spans: dict[str, Outline] = {}
    rest: Sums | None = None
    rest_ids: bytes = b""
    forgotten: int = 0

    def add(self, span_id: str, span: Outline) -> bool:
        """Takes a span; False when it changes nothing because it is there already."""
        known = self.spans.get(span_id)
        if known is not None:
            return self._replace(span_id, known, span)
        if self.rest_ids and _holds(self.rest_ids, bytes.fromhex(span_id)):
            return False
        self.spans[span_id] = span
        self._count(span_id, span)
        if len(self.spans) > MOST_SPANS + SPARE_SPANS:
            self._put_away()
        return True

    def note(self, kind: str, name: str | None) -> bool:
        """Remembers a name of one `kind`: services, models, conversation_ids, user_ids. True when it was not there."""
        if not name:
            return False
        names: list[str] = getattr(self, kind)
        if name in names or (len(names) >= MOST_NAMES and name > names[-1]):
            return False
        setattr(self, kind, sorted([*names, name])[:MOST_NAMES])
        return True

    @property
    def outlines(self) -> dict[str, Outline]:
        """The most telling spans by id: always the same ones, however the spans came."""
        if len(self.spans) <= MOST_SPANS:
            return dict(self.spans)
        return dict(islice(sorted(self.spans.items(), key=_rank), MOST_SPANS))

    def _count(self, span_id: str, span: Outline) -> None:
        self.sums.add(span)
        order = (bool(span.parent), span.start_us, span_id)
        if self.first is None or order < self.first.order:
            self.first = First(*order, span.service, span.name)

    def _replace(self, span_id: str, known: Outline, span: Outline) -> bool:
        if span == known or _precedence(span) <= _precedence(known):
            return False
        self.spans[span_id] = span
        self.sums, self.first = _copy(self.rest), None
        for each, outline in self.spans.items():
            self._count(each, outline)
        return True

    def _put_away(self) -> None:
        ranked = sorted(self.spans.items(), key=_rank)
        self.spans = dict(ranked[:MOST_SPANS])
        self.rest = _copy(self.rest)
        ids = [self.rest_ids[at : at + ID_BYTES] for at in range(0, len(self.rest_ids), ID_BYTES)]
        for span_id, span in ranked[MOST_SPANS:]:
            self.rest.add(span)
            if len(ids) < MOST_IDS:
                ids.append(bytes.fromhex(span_id))
            else:
                self.forgotten += 1
        self.rest_ids = b"".join(sorted(ids))


def shortened(name: str) -> str:
    """A name as outlines have it."""
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def _rank(item: tuple[str, Outline]) -> tuple[bool, bool, bool, int, int, str]:
    """The most telling first: those without a parent, calls, errors, the longest."""
    span_id, span = item
    return bool(span.parent), span.call is None, not span.error, span.start_us - span.end_us, span.start_us, span_id


def _precedence(span: Outline) -> tuple[int, bytes]:
    return span.end_us, msgspec.json.encode(span)


def _copy(sums: Sums | None) -> Sums:
    return Sums() if sums is None else msgspec.structs.replace(sums)


def _holds(ids: bytes, wanted: bytes) -> bool:
    """Whether sorted ids of eight bytes hold one."""
    low, high = 0, len(ids) // ID_BYTES
    while low < high:
        middle = (low + high) // 2
        if ids[middle * ID_BYTES : (middle + 1) * ID_BYTES] < wanted:
            low = middle + 1
        else:
            high = middle
    return ids[low * ID_BYTES : (low + 1) * ID_BYTES] == wanted


Outlines = Mapping[str, Outline]
