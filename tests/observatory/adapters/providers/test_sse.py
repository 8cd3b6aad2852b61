from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from observatory.adapters.providers.sse import EventSplitter

STREAM = (
    b': a comment\n\nevent: message_start\ndata: {"a": 1}\n\n'
    b'data:{"b": "\xc3\xa4"}\r\n\r\nid: 3\ndata: two\ndata: lines\n\ndata: [DONE]\n\ndata: never finished\n'
)
EVENTS = [b'{"a": 1}', b'{"b": "\xc3\xa4"}', b"two\nlines", b"[DONE]"]


def test_events_are_told_by_their_data() -> None:
    assert EventSplitter().feed(STREAM) == EVENTS


@given(st.lists(st.integers(1, len(STREAM) - 1), unique=True).map(sorted))
def test_it_does_not_matter_where_the_network_cuts(cuts: list[int]) -> None:
    splitter = EventSplitter()
    edges = [0, *cuts, len(STREAM)]
    parts = [STREAM[start:end] for start, end in pairwise(edges)]
    assert [event for part in parts for event in splitter.feed(part)] == EVENTS
