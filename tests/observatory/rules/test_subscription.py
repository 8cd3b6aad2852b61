"""What a subscriber shows: no repeat, nothing void, nothing after the outcome."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from observatory.rules.subscription import Answer, Subscription
from schemas.chat import ChatDelta, ChatError, ChatFailed, ChatRestarted

REQUEST = UUID(int=7)


def delta(attempt: int, seq: int) -> ChatDelta:
    return ChatDelta(request_id=REQUEST, attempt=attempt, seq=seq, text=f"{attempt}.{seq}")


def restarted(attempt: int) -> ChatRestarted:
    return ChatRestarted(request_id=REQUEST, attempt=attempt, reason="cut")


def failed() -> ChatFailed:
    error = ChatError(code="provider_error", message="no", retryable=False)
    return ChatFailed(request_id=REQUEST, error=error, attempts=1, cost_usd=Decimal(0), failed_at=datetime.now(UTC))


def test_a_repeat_is_shown_once() -> None:
    subscription = Subscription()
    assert [subscription.accepts("a", delta(1, 0)) for _ in range(2)] == [True, False]


def test_what_a_lower_attempt_still_says_is_void() -> None:
    subscription = Subscription()
    assert subscription.accepts("a", restarted(2))
    assert not subscription.accepts("b", delta(1, 5))
    assert subscription.accepts("c", delta(2, 0))


def test_a_higher_attempt_counts_without_its_restart() -> None:
    subscription = Subscription()
    assert subscription.accepts("a", delta(3, 0))
    assert not subscription.accepts("b", restarted(2))


def test_nothing_counts_after_the_outcome() -> None:
    subscription = Subscription()
    assert subscription.accepts("a", failed())
    assert subscription.over
    assert not subscription.accepts("b", failed())
    assert not subscription.accepts("c", delta(9, 0))


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 4), st.booleans())))
def test_shown_attempts_never_go_back_and_no_id_is_shown_twice(events: list[tuple[int, int, bool]]) -> None:
    subscription = Subscription()
    shown: list[tuple[str, int]] = []
    for name, attempt, restart in events:
        answer: Answer = restarted(attempt) if restart else delta(attempt, 0)
        if subscription.accepts(str(name), answer):
            shown.append((str(name), attempt))
    assert [attempt for _, attempt in shown] == sorted(attempt for _, attempt in shown)
    assert len({name for name, _ in shown}) == len(shown)
