"""Of each lane one delivery at a time, in the order of arrival; nothing is lost but what belongs to others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast
from uuid import UUID, uuid4

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from observatory.adapters.kafka import Record
from observatory.adapters.tracing import Begun
from observatory.rules.tracing import TraceContext
from schemas.chat import ChatRequested, Message
from workers.chat.delivery import Delivery, delivery_of
from workers.chat.queue import SAME_REQUEST_PAUSE_S, RequestQueue

NO_TRACE = Begun(TraceContext("1" * 32, "2" * 16, sampled=False), None)


def delivery(
    offset: int, *, conversation: str | None = None, request_id: UUID | None = None, partition: int = 0
) -> Delivery:
    """One as it comes from the topic; with a conversation it uses its history."""
    request = ChatRequested(
        request_id=request_id or uuid4(),
        model="m",
        messages=[Message(role="user", content="x")],
        conversation_id=conversation,
        use_history=conversation is not None,
    )
    record = cast(Record, SimpleNamespace(partition=partition, offset=offset, timestamp=0))
    return delivery_of(request, record, NO_TRACE, 120)


def queue_of(*deliveries: Delivery) -> RequestQueue:
    """A queue with these."""
    queue = RequestQueue()
    for each in deliveries:
        queue.add(each)
    return queue


def test_turns_of_a_conversation_come_one_by_one_and_others_beside_them() -> None:
    first, second, other = delivery(1, conversation="c"), delivery(2, conversation="c"), delivery(3)
    queue = queue_of(first, second, other)
    assert queue.take(10, 0.0) == [first, other]
    assert queue.take(10, 0.0) == []
    queue.finish(first)
    assert queue.take(10, 0.0) == [second]


def test_no_more_are_taken_than_asked_for() -> None:
    queue = queue_of(*(delivery(n) for n in range(5)))
    assert len(queue.take(3, 0.0)) == 3
    assert len(queue.take(3, 0.0)) == 2


def test_a_parked_delivery_holds_back_its_lane_and_nothing_else() -> None:
    first, second, other = delivery(1, conversation="c"), delivery(2, conversation="c"), delivery(3)
    queue = queue_of(first, second)
    queue.take(1, 0.0)
    queue.park(first, 5.0)
    queue.add(other)
    assert queue.take(10, 1.0) == [other]
    assert queue.next_ready(1.0) == 5.0
    assert queue.take(10, 5.0) == [first]


def test_repeats_of_a_request_wait_for_each_other_in_whatever_lane() -> None:
    request_id = uuid4()
    plain = delivery(1, request_id=request_id)
    turn = delivery(2, request_id=request_id, conversation="c")
    queue = queue_of(plain, turn)
    assert queue.take(10, 0.0) == [plain]
    queue.finish(plain)
    assert queue.take(10, SAME_REQUEST_PAUSE_S) == [turn]


def test_what_waits_from_a_lost_partition_is_dropped_and_what_is_answered_stays() -> None:
    first, second = delivery(1, conversation="c"), delivery(2, conversation="c")
    elsewhere = delivery(1, conversation="c", partition=1)
    parked = delivery(3)
    queue = queue_of(first, second, elsewhere, parked)
    assert queue.take(10, 0.0) == [first, parked]
    queue.park(parked, 9.0)
    queue.drop({0})
    assert len(queue) == 2
    assert queue.next_ready(0.0) is None
    queue.finish(first)
    assert queue.take(10, 0.0) == [elsewhere]


def test_a_delivery_that_comes_back_while_it_is_answered_waits_for_that_answer() -> None:
    request_id = uuid4()
    first, again = delivery(1, request_id=request_id), delivery(1, request_id=request_id)
    queue = queue_of(first)
    queue.take(1, 0.0)
    queue.drop({0})
    queue.add(again)
    assert queue.take(10, 1.0) == []
    queue.finish(first)
    assert queue.take(10, 1.0) == [again]
    queue.finish(again)
    assert (len(queue), queue.next_ready(9.0)) == (0, None)


class Queues(RuleBasedStateMachine):
    """Any sequence of events: never two of a lane, never two of a request, nothing forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.queue, self.now, self.offset = RequestQueue(), 0.0, 0
        self.waiting: list[Delivery] = []
        self.active: list[Delivery] = []

    @rule(lane=st.sampled_from([None, "a", "b"]), request=st.integers(0, 4), partition=st.integers(0, 1))
    def arrive(self, lane: str | None, request: int, partition: int) -> None:
        self.offset += 1
        new = delivery(self.offset, conversation=lane, request_id=UUID(int=request), partition=partition)
        self.queue.add(new)
        self.waiting.append(new)

    @rule(limit=st.integers(1, 3), later=st.sampled_from([0.0, 0.1, 1.0]))
    def take(self, limit: int, later: float) -> None:
        self.now += later
        for taken in self.queue.take(limit, self.now):
            assert taken in self.waiting
            assert all(other.lane != taken.lane and other.key != taken.key for other in self.active)
            ahead = [other for other in self.waiting if other.lane == taken.lane]
            assert ahead[0] is taken, "in the order of arrival"
            self.waiting.remove(taken)
            self.active.append(taken)

    @precondition(lambda self: self.active)
    @rule(which=st.integers(0, 9))
    def finish(self, which: int) -> None:
        self.queue.finish(self.active.pop(which % len(self.active)))

    @precondition(lambda self: self.active)
    @rule(which=st.integers(0, 9), seconds=st.sampled_from([0.0, 0.5]))
    def park(self, which: int, seconds: float) -> None:
        parked = self.active.pop(which % len(self.active))
        self.queue.park(parked, self.now + seconds)
        self.waiting.insert(0, parked)

    @rule(partition=st.integers(0, 1))
    def lose(self, partition: int) -> None:
        self.queue.drop({partition})
        self.waiting = [d for d in self.waiting if d.record.partition != partition]

    @invariant()
    def nothing_is_forgotten(self) -> None:
        assert len(self.queue) == len(self.waiting) + len(self.active)

    def teardown(self) -> None:
        for _ in range(1000):
            while self.active:
                self.queue.finish(self.active.pop())
            if not self.waiting:
                return
            self.take(3, 1.0)
        raise AssertionError(f"never given out: {self.waiting}")


Queues.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestQueues = Queues.TestCase
