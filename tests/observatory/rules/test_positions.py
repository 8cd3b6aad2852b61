"""No offset is ever committed past an unfinished record."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from observatory.rules.positions import OffsetTracker


def test_nothing_can_be_committed_before_anything_was_taken() -> None:
    tracker = OffsetTracker()
    assert tracker.committable() is None
    tracker.finish(7)
    assert tracker.committable() is None


def test_what_was_committed_is_not_committed_again() -> None:
    tracker = OffsetTracker()
    tracker.take(5)
    assert tracker.committable() == 5
    tracker.committed(5)
    assert tracker.committable() is None
    tracker.finish(5)
    assert tracker.committable() == 6


def test_gaps_in_the_offsets_are_no_unfinished_records() -> None:
    tracker = OffsetTracker()
    for offset in (3, 7, 20):
        tracker.take(offset)
    tracker.finish(3)
    assert tracker.committable() == 7
    assert (tracker.span, tracker.unfinished) == (14, 2)


@given(st.sets(st.integers(0, 200), min_size=1), st.randoms(use_true_random=False))
def test_the_position_is_the_first_unfinished_offset_in_whatever_order_they_end(
    offsets: set[int], chance: random.Random
) -> None:
    tracker, ascending = OffsetTracker(), sorted(offsets)
    for offset in ascending:
        tracker.take(offset)
    unfinished = set(ascending)
    ending = list(ascending)
    chance.shuffle(ending)
    for offset in ending:
        assert tracker.committable() == min(unfinished)
        assert tracker.span == ascending[-1] + 1 - min(unfinished)
        tracker.finish(offset)
        tracker.finish(offset)
        unfinished.discard(offset)
    assert tracker.committable() == ascending[-1] + 1
    assert (tracker.span, tracker.unfinished) == (0, 0)
