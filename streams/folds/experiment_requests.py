"""The calls and the ratings of one request of an experiment, whichever come first, and what they come to for its unit.

A unit is exposed by the first call of a request: what was only claimed has shown nobody anything. A revision of a call
replaces what was known of it, a later rating of the same user the one before; the unit is told the difference.
"""

from datetime import timedelta
from decimal import Decimal

import msgspec

from observatory.adapters.kafka import Unreadable
from observatory.rules.feedback import Feedback
from observatory.rules.instants import us_of
from observatory.rules.money import total
from schemas.feedback import RATING
from schemas.topics import FEEDBACK_ROUTED, LLM_CALLS
from streams.engine.events import cost_of
from streams.engine.fold import At, Fold, Out, key_of
from streams.folds.experiment_units import NAME as UNITS
from streams.folds.experiment_units import Placed, Sums, Told
from streams.folds.known_calls import KNOWN_FOR, MOST_CALLS, is_early, is_late
from streams.ledger.decode import CallFields

NAME = "experiment_requests"

MOST_RATINGS = 16
"""Raters beyond are left out and counted."""

MOST_WAITING = 1000

LONGEST_CALL_MS = 86_400_000
"""A day: a call that says it took longer counts as long as that, so that no sum of many leaves its column."""


class KnownCall(msgspec.Struct):
    """What is known of a call; microseconds."""

    call_id: str
    attempt: int
    revision: int
    status: str
    cost_usd: Decimal | None
    started_us: int
    total_us: int | None


class KnownRating(msgspec.Struct):
    """The last rating of one user (empty: nobody said who)."""

    user_id: str
    given_us: int
    feedback_id: str
    millionths: int


class ExperimentRequest(msgspec.Struct):
    """A request; `placed` is None while only ratings came. `told` is what its unit knows of it already.

    `exposed` once a call was sent; `waiting` counts the ratings that came before. `left_out` counts records that were
    too many, or of another variant than the request's first call.
    """

    placed: Placed | None = None
    calls: list[KnownCall] = msgspec.field(default_factory=list)
    ratings: list[KnownRating] = msgspec.field(default_factory=list)
    told: Sums = msgspec.field(default_factory=Sums)
    exposed: bool = False
    waiting: int = 0
    left_out: int = 0


def key(event: CallFields | Feedback) -> str | None:
    """The request, where its call was assigned a variant or a user rated its answer."""
    if isinstance(event, CallFields):
        assigned = event.experiment_id is not None and event.variant_id is not None
        return key_of(event.tenant_id, event.request_id.hex) if assigned else None
    rated = event.kind == "user" and event.name == RATING and event.request_id
    return key_of(event.tenant_id, event.request_id.replace("-", "")) if rated else None


def apply(state: ExperimentRequest | None, event: CallFields | Feedback, at: At, out: Out) -> ExperimentRequest | None:
    """Takes in a revision of a call or a rating."""
    state = state or ExperimentRequest()
    rated = isinstance(event, Feedback)
    changed = _rating(state, event) if isinstance(event, Feedback) else _call(state, event, at)
    if not changed:
        return None
    _tell(state, out, rated=rated)
    return state


def _call(state: ExperimentRequest, call: CallFields, at: At) -> bool:
    """Calls of a request come in one partition, so which is the first is never in doubt."""
    started_us = us_of(call.started_at)
    if is_late(started_us, at) or is_early(started_us, at):
        return False
    try:
        cost_usd = cost_of(call)
    except Unreadable:
        return False  # the ledger puts it to the dead letters
    placed = _placed(call)
    if state.placed is None:
        state.placed = placed
    known = next((known for known in state.calls if known.call_id == call.call_id.hex), None)
    if known is not None and known.revision >= call.revision:
        return False
    if placed != state.placed or (known is None and len(state.calls) >= MOST_CALLS):
        state.left_out += 1
        return True
    if known is not None:
        state.calls.remove(known)
    took = call.latency.total_ms if call.latency else None
    state.calls.append(
        KnownCall(
            call.call_id.hex,
            call.attempt,
            call.revision,
            call.status,
            cost_usd,
            started_us,
            None if took is None else round(min(took, LONGEST_CALL_MS) * 1000),
        )
    )
    return True


def _placed(call: CallFields) -> Placed:
    """Where no unit was said, it is the conversation, else the request."""
    unit = call.experiment_unit or call.conversation_id or str(call.request_id)
    return Placed(call.tenant_id, str(call.experiment_id), call.experiment_version or 0, str(call.variant_id), unit)


def _rating(state: ExperimentRequest, given: Feedback) -> bool:
    rating = KnownRating(given.user_id or "", given.given_us, given.feedback_id, given.millionths)
    known = next((known for known in state.ratings if known.user_id == rating.user_id), None)
    if known is None:
        if len(state.ratings) >= MOST_RATINGS:
            state.left_out += 1
        else:
            state.ratings.append(rating)
        return True
    if (known.given_us, known.feedback_id) >= (rating.given_us, rating.feedback_id):
        return False
    state.ratings[state.ratings.index(known)] = rating
    return True


def _tell(state: ExperimentRequest, out: Out, *, rated: bool) -> None:
    """Hands the unit what changed, once for each change: also for those that came before the request was exposed, so
    that the unit's state counts as many changes in whichever order the topics are read."""
    made = [call for call in state.calls if call.status != "not_sent"]
    if state.placed is None or not (made or state.exposed):
        state.waiting = min(state.waiting + rated, MOST_WAITING)
        return
    state.exposed = True
    sums = _sums(made, state.ratings)
    first_us = min((call.started_us for call in made), default=state.calls[0].started_us)
    for change in (*(Sums() for _ in range(state.waiting)), sums.less(state.told)):
        out.derive(UNITS, state.placed.key, Told(state.placed, change, first_us))
    state.told, state.waiting = sums, 0


def _sums(made: list[KnownCall], ratings: list[KnownRating]) -> Sums:
    if not made:
        return Sums()
    last = max(made, key=lambda call: (call.attempt, call.call_id))
    answered = last.status == "ok"
    timed = answered and last.total_us is not None
    return Sums(
        requests=1,
        failed=int(not answered),
        calls=len(made),
        unpriced_calls=sum(call.cost_usd is None for call in made),
        cost_usd=total(call.cost_usd for call in made if call.cost_usd is not None),
        answered=int(timed),
        latency_us=last.total_us or 0 if timed else 0,
        ratings=len(ratings),
        rating_millionths=sum(rating.millionths for rating in ratings),
    )


EXPERIMENT_REQUESTS = Fold(
    name=NAME,
    inputs=(LLM_CALLS, FEEDBACK_ROUTED),
    state=ExperimentRequest,
    key=key,
    apply=apply,
    keep=KNOWN_FOR + timedelta(days=5),
)
