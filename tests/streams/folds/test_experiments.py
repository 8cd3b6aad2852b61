"""The folds of experiments: whatever comes first, however often, a unit ends with the same sums."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from observatory.rules.feedback import Feedback
from streams.engine.fold import At
from streams.folds import experiment_requests, experiment_units
from streams.folds.experiment_requests import MOST_RATINGS, ExperimentRequest
from streams.folds.experiment_units import Told, UnitSums
from streams.folds.known_calls import MOST_CALLS
from streams.ledger.decode import CallFields, LatencyFields

Event = CallFields | Feedback
STARTED = datetime(2026, 11, 1, tzinfo=UTC)
STARTED_US = 1_793_491_200_000_000


class Run:
    """Both folds of one partition, in memory."""

    def __init__(self) -> None:
        self.requests: dict[str, ExperimentRequest] = {}
        self.units: dict[str, UnitSums] = {}
        self.changes: Counter[str] = Counter()
        self._at = At("", 0, 0, STARTED_US // 1000 + 5000, "")

    def feed(self, *events: Event) -> Run:
        for event in events:
            name = experiment_requests.key(event)
            if name is not None:
                state = experiment_requests.apply(self.requests.get(name), event, self._at, self)
                if state is not None:
                    self.requests[name] = state
        return self

    def derive(self, fold: str, key: str, event: object) -> None:
        assert isinstance(event, Told)
        self.changes[key] += 1
        self.units[key] = experiment_units.apply(self.units.get(key), event, self._at, self)

    def row(self, table: str, row: tuple[object, ...]) -> None:
        raise AssertionError(table)

    def ended(self) -> tuple[bytes, bytes, Counter[str]]:
        encode = msgspec.json.Encoder(order="sorted").encode
        return encode(self.requests), encode(self.units), self.changes

    @property
    def unit(self) -> UnitSums:
        (only,) = self.units.values()
        return only


def call(request: int = 1, attempt: int = 1, revision: int = 1, **fields: Any) -> CallFields:
    usual: dict[str, Any] = {
        "call_id": UUID(int=1000 * request + attempt),
        "revision": revision,
        "request_id": UUID(int=request),
        "attempt": attempt,
        "source": "worker",
        "tenant_id": "acme",
        "operation": "chat",
        "provider": "openai",
        "request_model": "gpt-4o",
        "status": "ok",
        "usage_source": "provider",
        "cost_state": "settled",
        "cost_usd": "0.10",
        "latency": LatencyFields(total_ms=250.5),
        "started_at": STARTED,
        "experiment_id": "prompts",
        "experiment_version": 2,
        "variant_id": "brief",
        "experiment_unit": "alice",
    }
    return CallFields(**{**usual, **fields})


def rating(
    request: int = 1, user: str | None = "alice", given: int = 1, millionths: int = 1_000_000, **fields: Any
) -> Feedback:
    usual: dict[str, Any] = {
        "feedback_id": str(UUID(int=given)),
        "request_id": str(UUID(int=request)),
        "tenant_id": "acme",
        "conversation_id": None,
        "user_id": user,
        "kind": "user",
        "name": "rating",
        "millionths": millionths,
        "comment": None,
        "source": None,
        "given_us": given,
    }
    return Feedback(**{**usual, **fields})


CALLS = [
    call(1, cost_usd="0.10"),
    call(2, 1, 1, status="unknown", cost_usd="0.01", latency=None),
    call(2, 2, 1, cost_usd=None),
    call(2, 1, 2, status="error", cost_usd="0.015"),
    call(2, 2, 2, cost_usd="0.2"),
    call(3, 1, 1, status="error", cost_usd="0"),
    call(4, 1, 1, status="not_sent", cost_usd="0"),
]
RATINGS = [
    rating(1, given=5),
    rating(1, given=9, millionths=0),
    rating(2, "bob", given=3, millionths=250_000),
    rating(9, given=4),
    rating(2, "bob", given=1),
    rating(1, name="relevance"),
    rating(1, kind="automatic"),
]


def test_a_unit_s_sums_are_those_of_its_requests() -> None:
    unit = Run().feed(*CALLS, *RATINGS).unit
    assert (unit.tenant_id, unit.experiment_id, unit.experiment_version) == ("acme", "prompts", 2)
    assert (unit.variant_id, unit.unit) == ("brief", "alice")
    assert (unit.requests, unit.failed, unit.calls, unit.unpriced_calls) == (3, 1, 4, 0)
    assert unit.cost_usd == Decimal("0.315")
    assert (unit.answered, unit.latency_us) == (2, 501_000)
    assert (unit.ratings, unit.rating_millionths) == (2, 250_000)
    assert unit.first_us == STARTED_US


@given(st.randoms(use_true_random=False))
def test_the_order_of_the_topics_and_repeats_change_nothing(random: Random) -> None:
    expected = Run().feed(*CALLS, *RATINGS).ended()
    queues: list[list[Event]] = [list(CALLS), list(RATINGS)]
    events: list[Event] = []
    while any(queues):
        events.append(random.choice([queue for queue in queues if queue]).pop(0))
        if random.random() < 0.3:
            events.append(random.choice(events))  # again, at a new offset
    assert Run().feed(*events).ended() == expected


def test_what_was_never_sent_exposes_nobody() -> None:
    run = Run().feed(call(status="not_sent", cost_usd="0"))
    assert run.units == {}
    run.feed(call(attempt=2))
    assert (run.unit.requests, run.unit.calls) == (1, 1)
    run.feed(call(attempt=2, revision=2, status="not_sent", cost_usd="0"))
    assert (run.unit.requests, run.unit.calls, run.unit.cost_usd) == (0, 0, Decimal(0))


def test_calls_without_a_variant_and_other_scores_leave_nothing() -> None:
    run = Run().feed(call(experiment_id=None), call(variant_id=None), rating(name="tone"), rating(kind="automatic"))
    assert run.requests == {}


def test_without_a_unit_it_is_the_conversation_else_the_request() -> None:
    assert Run().feed(call(experiment_unit=None, conversation_id="talk")).unit.unit == "talk"
    assert Run().feed(call(experiment_unit=None)).unit.unit == str(UUID(int=1))
    assert Run().feed(call(experiment_version=None)).unit.experiment_version == 0


def test_a_request_of_many_calls_and_raters_stays_small_and_says_so() -> None:
    calls = [call(attempt=attempt) for attempt in range(1, MOST_CALLS + 11)]
    run = Run().feed(*calls, *(rating(user=f"user {number}") for number in range(MOST_RATINGS + 5)))
    (state,) = run.requests.values()
    assert (len(state.calls), len(state.ratings), state.left_out) == (MOST_CALLS, MOST_RATINGS, 15)
    assert (run.unit.calls, run.unit.ratings) == (MOST_CALLS, MOST_RATINGS)


def test_a_call_of_another_variant_of_the_same_request_is_left_out() -> None:
    run = Run().feed(call(), call(attempt=2, variant_id="long"))
    assert run.unit.calls == 1
    (state,) = run.requests.values()
    assert state.left_out == 1


def test_a_call_that_took_for_ever_spoils_no_sum() -> None:
    calls = [call(request, latency=LatencyFields(total_ms=1e15)) for request in range(1, 20)]
    assert Run().feed(*calls).unit.latency_us == 19 * 86_400 * 1_000_000


def test_calls_from_too_long_ago_or_the_future_change_nothing() -> None:
    ago, ahead = STARTED - timedelta(days=66), STARTED + timedelta(days=2)
    assert Run().feed(call(started_at=ago), call(attempt=2, started_at=ahead)).units == {}
