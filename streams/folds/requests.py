"""Requests: what is known of a request's calls and of the scores of its answer, joined in either order of arrival.

Each call stands once, in its highest revision; each score once, in its latest version. What a request contributes to
quality, conversations and users follows from this alone (`streams.folds.shares`): after every event the difference is
handed on, so that whatever comes again, late or corrected, the sums are those of what is known now.
"""

from bisect import insort
from datetime import timedelta
from decimal import Decimal

import msgspec

from observatory.adapters.kafka import Unreadable
from observatory.rules.feedback import Feedback
from observatory.rules.instants import us_of
from schemas.topics import FEEDBACK_ROUTED, LLM_CALLS
from streams.engine.events import cost_of
from streams.engine.fold import At, Fold, Out, key_of
from streams.folds.known_calls import KNOWN_FOR, MOST_CALLS, is_early, is_late
from streams.folds.shares import NO_SHARES, hand_on, shares
from streams.ledger.decode import CallFields

NAME = "requests"

MOST_SCORES = 64


class Call(msgspec.Struct, gc=False, array_like=True, order=True):
    """A call in its highest revision; `tokens` in the order of `call_sums.TOKENS`, None when the usage is not known."""

    attempt: int
    call_id: str
    revision: int
    status: str
    operation: str
    provider: str
    model: str
    prompt_version: str | None
    user_id: str | None
    conversation_id: str | None
    started_us: int
    tokens: list[int] | None
    cost_usd: Decimal | None
    estimated: bool


class Score(msgspec.Struct, gc=False, array_like=True, order=True):
    """The latest score of one name by one giver; the score in millionths."""

    kind: str
    name: str
    giver: str
    given_us: int
    feedback_id: str
    millionths: int


class RequestState(msgspec.Struct, gc=False, omit_defaults=True):
    """Calls by attempt, scores by kind, name and giver. Without a request it is what was said of a conversation as a
    whole, which is named then.

    `more_calls`, `more_scores`: some have no place, the first attempts and the last names. `late_calls` are records of
    calls that came too long after their start.
    """

    tenant_id: str
    request_id: str
    calls: list[Call] = []
    scores: list[Score] = []
    more_calls: bool = False
    more_scores: bool = False
    late_calls: int = 0
    conversation_id: str = ""


def key(event: CallFields | Feedback) -> str:
    """A request is known by its tenant and its id."""
    if not event.request_id and event.conversation_id:
        return key_of(event.tenant_id, "", event.conversation_id)
    return key_of(event.tenant_id, str(event.request_id))


def apply(state: RequestState | None, event: CallFields | Feedback, at: At, out: Out) -> RequestState | None:
    """Takes in what is new of the request and hands on what that changes."""
    request = state or _new(event)
    before = NO_SHARES if state is None else shares(state)
    known = _know_score(request, event) if isinstance(event, Feedback) else _know_call(request, event, at)
    if not known:
        return None
    hand_on(request, before, shares(request), out)
    return request


def _new(event: CallFields | Feedback) -> RequestState:
    if not event.request_id and event.conversation_id:
        return RequestState(event.tenant_id, "", conversation_id=event.conversation_id)
    return RequestState(event.tenant_id, str(event.request_id))


def _know_score(request: RequestState, given: Feedback) -> bool:
    score = Score(given.kind, given.name, given.user_id or "", given.given_us, given.feedback_id, given.millionths)
    for position, other in enumerate(request.scores):
        if (other.kind, other.name, other.giver) == (score.kind, score.name, score.giver):
            if score <= other:
                return False
            request.scores[position] = score
            return True
    insort(request.scores, score)
    if len(request.scores) > MOST_SCORES:
        request.more_scores, known = True, request.more_scores
        return request.scores.pop() is not score or not known
    return True


def _know_call(request: RequestState, fields: CallFields, at: At) -> bool:
    started_us = us_of(fields.started_at)
    if is_late(started_us, at):
        request.late_calls += 1
        return True
    try:
        call = _call(fields, started_us)
    except Unreadable:
        return False  # the ledger puts it to the dead letters
    if call is None or is_early(started_us, at):
        return False
    for position, other in enumerate(request.calls):
        if other.call_id == call.call_id:
            if call.revision <= other.revision:
                return False
            del request.calls[position]
            break
    insort(request.calls, call)
    if len(request.calls) > MOST_CALLS:
        request.more_calls, known = True, request.more_calls
        return request.calls.pop(0) is not call or not known
    return True


def _call(fields: CallFields, started_us: int) -> Call | None:
    """None for one that the ledger does not book. Raises `Unreadable` for a cost that it does not book."""
    usage = fields.usage
    if usage is not None and usage.reasoning_tokens > usage.output_tokens:
        return None
    return Call(
        attempt=fields.attempt,
        call_id=fields.call_id.hex,
        revision=fields.revision,
        status=fields.status,
        operation=fields.operation,
        provider=fields.provider,
        model=fields.response_model or fields.request_model,
        prompt_version=fields.prompt_version,
        user_id=fields.user_id,
        conversation_id=fields.conversation_id,
        started_us=started_us,
        tokens=None if usage is None else [tokens or 0 for tokens in msgspec.structs.astuple(usage)],
        cost_usd=cost_of(fields),
        estimated=fields.cost_state == "estimated",
    )


REQUESTS = Fold(
    name=NAME,
    inputs=(LLM_CALLS, FEEDBACK_ROUTED),
    state=RequestState,
    key=key,
    apply=apply,
    # A call may have started a day after it was appended, by the clocks.
    keep=KNOWN_FOR + timedelta(days=2),
)
