"""One key with very many events: its state stays small, each event costs what the first ones did, nothing is lost."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from observatory.rules.call_sums import Sums, Tally
from observatory.rules.conversations import Turn
from observatory.rules.money import ZERO
from streams.engine.fold import At, encode
from streams.engine.states import AnyFold, Change, Effects, States
from streams.folds.conversations import CONVERSATIONS
from streams.folds.experiment_requests import EXPERIMENT_REQUESTS
from streams.folds.experiment_units import EXPERIMENT_UNITS, Placed, Told
from streams.folds.experiment_units import Sums as UnitSums
from streams.folds.feedback import FEEDBACK
from streams.folds.quality import QUALITY
from streams.folds.recent_calls import RECENT_CALLS
from streams.folds.requests import REQUESTS
from streams.folds.shares import Dimensions, Judged, QualityChange, Share, ShareChange
from streams.folds.spans import SpanFields, SpansFields
from streams.folds.traces import TRACES
from streams.folds.users import USERS
from streams.folds.windows import WINDOWS, Counted
from tests.streams.folds.judging import APPENDED_MS, call, score

MANY = 50_000
TIMES_AS_LONG = 5
"""By how much the last events may take longer than as many early ones, on a machine with other things to do."""


def share(number: int) -> ShareChange:
    """A request of a conversation, or of a user, with models, users and names of scores that are all different."""
    turn = Turn(number, f"request {number}", number % 5000, f"model {number}")
    sums = Sums(requests=1, calls=1, tokens=[number % 100, 0, 0, 0, 7, 0, 0, 0, 0], cost_usd=Decimal("0.000001"))
    scores = {f"user:name{number}": Tally(1, 500_000, 250_000_000_000, 0, 0)}
    one = Share(sums, {f"model {number}": 1}, {f"user {number}": 1}, scores, number + 1, number + 1, turn)
    return ShareChange("acme", "hot", f"request {number}", one, True)


def judged(number: int) -> QualityChange:
    tally = Tally(1, 1_000_000, 10**12, 1, 0)
    return QualityChange(Dimensions(1, "acme", "p", "m", "", "user", "rating"), Judged(tally, Sums(calls=1)))


def told(number: int) -> Told:
    sums = UnitSums(requests=1, calls=1, cost_usd=Decimal("0.000001"), latency_us=2**40)
    return Told(Placed("acme", "e", 1, "a", "hot"), sums, number)


def windowed(number: int) -> Counted:
    """Each of a tenant of its own."""
    return Counted(1, call(number, tenant_id=f"tenant {number}"), ZERO)


def spans(number: int) -> SpansFields:
    start = APPENDED_MS * 1_000_000 + number
    one = SpanFields(
        span_id=f"{number:016x}", parent_span_id=f"{number + 1:016x}", name=f"span {number}",
        start_unix_nano=str(start), end_unix_nano=str(start + 1000), conversation_id=f"c{number}",
    )  # fmt: skip
    return SpansFields(trace_id="a" * 32, tenant_id="acme", service=f"service {number}", spans=[one])


@dataclass(frozen=True)
class Hot:
    """Events of one key for a fold, the most bytes of its state, and what in it counts them."""

    fold: AnyFold
    event: Callable[[int], Any]
    most_bytes: int
    count: Callable[[Any], int]
    events: int = MANY


HOT = (
    Hot(CONVERSATIONS, share, 16_000, lambda one: int(one.sums.requests)),
    Hot(USERS, share, 6_000, lambda one: int(one.sums.requests)),
    Hot(QUALITY, judged, 1_000, lambda one: int(one.judged.tally.n)),
    Hot(EXPERIMENT_UNITS, told, 1_000, lambda one: int(one.requests)),
    Hot(WINDOWS, windowed, 120_000, lambda one: sum(cell.calls for cell in one.cells), 20_000),
    Hot(RECENT_CALLS, lambda number: call(0, revision=number + 1), 100, lambda one: int(one.revision)),
    Hot(REQUESTS, lambda number: call(0, attempt=number + 1), 16_000, lambda one: int(one.calls[-1].attempt), 5_000),
    Hot(REQUESTS, lambda number: call(0, revision=number + 1), 1_000, lambda one: int(one.calls[0].revision), 50_000),
    Hot(
        REQUESTS, lambda number: score(0, 0, number, user_id=f"u{number}"), 16_000,
        lambda one: len(one.scores) + 10_000 - 64, 10_000,
    ),
    Hot(
        EXPERIMENT_REQUESTS, lambda number: call(0, attempt=number + 1, experiment_id="e", variant_id="v"), 16_000,
        lambda one: len(one.calls) + int(one.left_out), 20_000,
    ),
    Hot(FEEDBACK, lambda number: score(0, 0, number + 1), 1_000, lambda one: int(UUID(one.feedback_id).int)),
    Hot(TRACES, spans, 600_000, lambda one: int(one.sums.spans), 20_000),
)  # fmt: skip


@pytest.mark.parametrize("hot", HOT, ids=lambda hot: str(hot.fold.name))
def test_a_key_with_very_many_events_stays_small_and_as_quick_as_it_was(hot: Hot) -> None:
    states: States[Any] = States(hot.fold)
    tenths, name = hot.events // 10, (0, "hot")
    took = []
    for begin in range(0, hot.events, tenths):
        changes = list(_changes(hot, range(begin, begin + tenths)))
        started = time.process_time()
        states.apply(changes, Effects())
        took.append(time.process_time() - started)
        states.kept(states.changed(), 1, 10**9)
    ((found, entry),) = states.items()
    assert found == name
    assert entry.state is not None
    assert hot.count(entry.state) == hot.events
    assert len(encode(entry.state)) < hot.most_bytes
    # The least of several: what else runs on the machine is not the fold's.
    assert min(took[-4:]) < TIMES_AS_LONG * min(took[1:5])


def _changes(hot: Hot, numbers: range) -> Iterator[Change]:
    for number in numbers:
        yield Change((0, "hot"), hot.event(number), At("a.topic", 0, number, APPENDED_MS, ""))
