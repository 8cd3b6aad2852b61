"""Calls and scores of a small world, the folds of requests run over them in memory, and the same sums by hand."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from observatory.rules.conversations import Conversation
from observatory.rules.feedback import Feedback
from observatory.rules.instants import us_of
from observatory.rules.users import User
from streams.engine.fold import At
from streams.engine.states import Change, Effects, States
from streams.folds.conversations import CONVERSATIONS
from streams.folds.quality import QUALITY, UNATTACHED, QualityCell
from streams.folds.requests import REQUESTS, RequestState, key
from streams.folds.users import USERS
from streams.ledger.decode import CallFields, UsageFields

T0 = datetime(2026, 11, 24, 23, 59, tzinfo=UTC)
APPENDED_MS = us_of(T0 + timedelta(minutes=10)) // 1000
Event = CallFields | Feedback
FOLDS = (REQUESTS, QUALITY, CONVERSATIONS, USERS, UNATTACHED)


def request_id(number: int) -> UUID:
    return UUID(int=number + 1)


def call(request: int = 0, attempt: int = 1, revision: int = 1, **changes: Any) -> CallFields:
    fields: dict[str, Any] = {
        "call_id": UUID(int=1000 * (request + 1) + attempt), "revision": revision, "request_id": request_id(request),
        "attempt": attempt, "source": "worker", "tenant_id": "acme", "user_id": "alice", "conversation_id": "c",
        "operation": "chat", "provider": "openai", "request_model": "gpt-4o-mini", "status": "ok",
        "usage_source": "provider", "cost_state": "settled", "cost_usd": "0.01",
        "started_at": T0 + timedelta(seconds=10 * request + attempt),
        "usage": UsageFields(uncached_input_tokens=100, output_tokens=10),
    }  # fmt: skip
    return CallFields(**{**fields, **changes})


def score(request: int = 0, millionths: int = 1_000_000, version: int = 1, **changes: Any) -> Feedback:
    fields: dict[str, Any] = {
        "feedback_id": str(UUID(int=version)), "request_id": str(request_id(request)), "tenant_id": "acme",
        "conversation_id": "c", "user_id": "alice", "kind": "user", "name": "rating", "millionths": millionths,
        "comment": None, "source": None, "given_us": us_of(T0) + version,
    }  # fmt: skip
    return Feedback(**{**fields, **changes})


@dataclass(frozen=True)
class Ran:
    """The states after all events, by key."""

    requests: dict[str, RequestState]
    quality: dict[str, QualityCell]
    conversations: dict[str, Conversation]
    users: dict[str, User]
    unattached: dict[str, QualityCell]


def run(events: Iterable[Event], appended_ms: int = APPENDED_MS) -> Ran:
    """Runs the folds over the events in this order."""
    states: dict[str, States[Any]] = {fold.name: States(fold) for fold in FOLDS}
    for offset, event in enumerate(events):
        effects = Effects()
        at = At("a.topic", 0, offset, appended_ms, "")
        states[REQUESTS.name].apply([Change((0, key(event)), event, at)], effects)
        for child in FOLDS[1:]:
            states[child.name].apply(effects.derived.pop(child.name, []), effects)
        assert not effects.derived, "an event for a fold that does not exist"
    found = {name: {key: entry.state for (_, key), entry in one.items() if entry.state} for name, one in states.items()}
    # A cell from which everything was taken back says nothing, as one that never was.
    for name in (QUALITY.name, UNATTACHED.name):
        found[name] = {k: cell for k, cell in found[name].items() if cell.judged.tally.n}
    return Ran(*(found[fold.name] for fold in FOLDS))


MODELS = ("gpt-4o", "gpt-4o-mini", "claude")
NAMES = ("rating", "relevance")


@st.composite
def histories(draw: st.DrawFn) -> Sequence[Event]:
    """What became known of some requests, one event for each revision and each version of a score."""
    rng = draw(st.randoms(use_true_random=False))
    events: list[Event] = []
    for request in range(rng.randrange(1, 5)):
        conversation, user = rng.choice(["c", "d", None]), rng.choice(["alice", "bob", None])
        for attempt in range(1, rng.randrange(1, 4)):
            revisions = range(1, rng.randrange(2, 5))
            events += [_drawn_call(rng, request, attempt, revision, conversation, user) for revision in revisions]
        for name in NAMES[: rng.randrange(3)]:
            for giver in rng.sample(["alice", "bob", None], rng.randrange(1, 3)):
                for version in range(1, rng.randrange(2, 4)):
                    millionths = rng.choice([0, 250_000, 500_000, 999_999, 1_000_000])
                    events.append(score(request, millionths, version, name=name, user_id=giver))
    return events


def _drawn_call(
    rng: random.Random, request: int, attempt: int, revision: int, conversation: str | None, user: str | None
) -> CallFields:
    cost = rng.choice([None, "0.1", "0.10", "0.000000123", "1000"])
    usage = UsageFields(
        uncached_input_tokens=rng.randrange(1000), cache_read_tokens=rng.randrange(1000), output_tokens=50
    )
    return call(
        request, attempt, revision, conversation_id=conversation, user_id=user, cost_usd=cost,
        status=rng.choice(["ok", "ok", "error", "unknown", "not_sent"]), response_model=rng.choice([None, *MODELS]),
        cost_state=rng.choice(["settled", "estimated"]), usage=rng.choice([usage, usage, None]),
        prompt_version=rng.choice([None, "p1"]), provider=rng.choice(["openai", "anthropic"]),
    )  # fmt: skip


@st.composite
def shuffled(draw: st.DrawFn, events: Sequence[Event]) -> list[Event]:
    """The same events in another order, some more than once."""
    repeats = draw(st.lists(st.sampled_from(events), max_size=6)) if events else []
    return draw(st.permutations([*events, *repeats]))


def newest_calls(events: Iterable[Event]) -> list[CallFields]:
    """Each call in its highest revision, by attempt."""
    newest: dict[UUID, CallFields] = {}
    for event in sorted((e for e in events if isinstance(e, CallFields)), key=lambda e: e.revision):
        newest[event.call_id] = event
    return sorted(newest.values(), key=lambda e: e.attempt)


def latest_scores(events: Iterable[Event]) -> list[Feedback]:
    """Each score in its latest version."""
    latest: dict[object, Feedback] = {}
    for event in sorted((e for e in events if isinstance(e, Feedback)), key=lambda e: e.given_us):
        latest[event.request_id, event.kind, event.name, event.user_id] = event
    return list(latest.values())


def cost(calls: Iterable[CallFields]) -> Decimal:
    """By another arithmetic than the folds': as a fraction of 10^-12."""
    return Decimal(sum(int(Decimal(c.cost_usd) * 10**12) for c in calls if c.cost_usd is not None)) / 10**12
