"""What a request contributes: to quality, to its conversation, to its user; and how a change of it is handed on.

A share is a function of what is known of the request and of nothing else, and is handed on as a difference. So the sums
of all requests are right whatever the order in which calls, revisions, scores and corrections came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from observatory.rules.call_sums import INPUT, Sums, Tally, differences
from observatory.rules.conversations import Turn
from observatory.rules.money import ZERO
from streams.engine.fold import Out, key_of

if TYPE_CHECKING:
    from streams.folds.requests import Call, RequestState

QUALITY = "quality"
UNATTACHED = "unattached"
CONVERSATIONS = "conversations"
USERS = "users"

DAY_US = 86_400_000_000
NOT_SENT = "not_sent"

_NOTHING = Sums()


class Dimensions(msgspec.Struct, gc=False, frozen=True, order=True):
    """By what quality is kept: the day is that of the judged call's start, in days since 1970 (UTC).

    Where no call is known it is that on which the score was given, and what tells calls apart is empty.
    """

    day: int
    tenant_id: str
    provider: str
    model: str
    prompt_version: str
    kind: str
    name: str


class Judged(msgspec.Struct, gc=False):
    """The scores of one cell, and the calls that they are about, each once, with their cost."""

    tally: Tally = msgspec.field(default_factory=Tally)
    sums: Sums = msgspec.field(default_factory=Sums)

    def add(self, other: Judged, sign: int = 1) -> None:
        """Adds the other, or takes it away."""
        self.tally.add(other.tally, sign)
        self.sums.add(other.sums, sign)


class QualityChange(msgspec.Struct, gc=False, frozen=True):
    """What is to be added to a cell of quality."""

    dimensions: Dimensions
    judged: Judged


class Share(msgspec.Struct, gc=False):
    """What a request adds to its conversation or user; `turn` is its place in the conversation, if it was answered.

    `models` and `users` say how many calls were theirs.
    """

    sums: Sums = msgspec.field(default_factory=Sums)
    models: dict[str, int] = {}
    users: dict[str, int] = {}
    scores: dict[str, Tally] = {}
    first_us: int = 0
    last_us: int = 0
    turn: Turn | None = None


_NO_SHARE = Share()


class ShareChange(msgspec.Struct, gc=False, frozen=True):
    """What is to be added to a conversation or user, by its name; `turn` replaces what was if `turn_changed`."""

    tenant_id: str
    name: str
    request_id: str
    share: Share
    turn_changed: bool


class Shares(msgspec.Struct, gc=False):
    """All that a request contributes."""

    quality: dict[Dimensions, Judged] = {}
    unattached: dict[Dimensions, Judged] = {}
    conversations: dict[str, Share] = {}
    users: dict[str, Share] = {}


NO_SHARES = Shares()


def shares(request: RequestState) -> Shares:
    """What the request contributes as it is known."""
    found = Shares()
    for call in request.calls:
        sums = None if call.status == NOT_SENT else _sums(call)
        if call.conversation_id is not None:
            _book(found.conversations, call.conversation_id, call, sums)
        if call.user_id is not None:
            _book(found.users, call.user_id, call, sums)
    answer = _answer(request.calls)
    if answer is not None:
        _judge(found, request, answer)
    elif request.scores:
        _leave_unattached(found, request)
    return found


def hand_on(request: RequestState, before: Shares, after: Shares, out: Out) -> None:
    """Hands on what changed, in an order that depends on nothing but the change."""
    if before.quality or after.quality:
        _hand_on_quality(QUALITY, before.quality, after.quality, out)
    if before.unattached or after.unattached:
        _hand_on_quality(UNATTACHED, before.unattached, after.unattached, out)
    _hand_on_shares(CONVERSATIONS, request, before.conversations, after.conversations, out)
    _hand_on_shares(USERS, request, before.users, after.users, out)


def _hand_on_quality(fold: str, old: Mapping[Dimensions, Judged], new: Mapping[Dimensions, Judged], out: Out) -> None:
    for dimensions in sorted({*old, *new}):
        delta = Judged()
        delta.add(new.get(dimensions, Judged()))
        delta.add(old.get(dimensions, Judged()), -1)
        if delta != Judged():
            out.derive(fold, _quality_key(dimensions), QualityChange(dimensions, delta))


def _hand_on_shares(
    fold: str, request: RequestState, old: Mapping[str, Share], new: Mapping[str, Share], out: Out
) -> None:
    for name in sorted({*old, *new}) if old else new:
        was, now = old.get(name), new.get(name, _NO_SHARE)
        if was == now:
            continue
        delta = now if was is None else _difference(was, now)
        turn_changed = now.turn != (None if was is None else was.turn)
        change = ShareChange(request.tenant_id, name, request.request_id, delta, turn_changed)
        out.derive(fold, key_of(request.tenant_id, name), change)


def _difference(was: Share, now: Share) -> Share:
    sums = msgspec.structs.replace(now.sums)
    sums.add(was.sums, -1)
    return Share(
        sums=sums,
        models=_count_differences(was.models, now.models),
        users=_count_differences(was.users, now.users),
        scores=differences(was.scores, now.scores),
        first_us=now.first_us,
        last_us=now.last_us,
        turn=now.turn,
    )


def _count_differences(was: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    deltas = {name: now.get(name, 0) - was.get(name, 0) for name in sorted({*was, *now})}
    return {name: delta for name, delta in deltas.items() if delta}


def _book(shares_: dict[str, Share], name: str, call: Call, sums: Sums | None) -> None:
    """`sums` are those of the call, None for one that was not sent; they are never changed in place."""
    share = shares_.get(name)
    if share is None:
        share = shares_[name] = Share(first_us=call.started_us, last_us=call.started_us)
    else:
        share.first_us = min(share.first_us, call.started_us)
        share.last_us = max(share.last_us, call.started_us)
    if sums is None:
        return
    share.sums = _together(share.sums, sums) if share.sums.calls else sums
    share.models[call.model] = share.models.get(call.model, 0) + 1
    if call.user_id is not None:
        share.users[call.user_id] = share.users.get(call.user_id, 0) + 1


def _together(sums: Sums, more: Sums) -> Sums:
    """Of several calls of one request."""
    both = msgspec.structs.replace(sums)
    both.add(more)
    both.requests = 1
    return both


def _sums(call: Call) -> Sums:
    return Sums(
        requests=1,
        calls=1,
        errors=int(call.status == "error"),
        unpriced_calls=int(call.cost_usd is None),
        estimated_calls=int(call.estimated),
        tokens=call.tokens or _NOTHING.tokens,
        cost_usd=call.cost_usd or ZERO,
        estimated_cost_usd=(call.cost_usd or ZERO) if call.estimated else ZERO,
    )


def _answer(calls: list[Call]) -> Call | None:
    """The call that gave the answer: the last that went well, else the last that was sent."""
    last_sent = None
    for call in reversed(calls):
        if call.status == "ok":
            return call
        if last_sent is None and call.status != NOT_SENT:
            last_sent = call
    return last_sent


def _judge(found: Shares, request: RequestState, answer: Call) -> None:
    conversation = None if answer.conversation_id is None else found.conversations[answer.conversation_id]
    user = None if answer.user_id is None else found.users[answer.user_id]
    if conversation is not None and answer.status == "ok" and answer.operation == "chat" and answer.tokens is not None:
        read = sum(answer.tokens[bucket] for bucket in INPUT)
        conversation.turn = Turn(answer.started_us, request.request_id, read, answer.model)
    for score in request.scores:
        dimensions = Dimensions(
            answer.started_us // DAY_US, request.tenant_id, answer.provider, answer.model, answer.prompt_version or "",
            score.kind, score.name,
        )  # fmt: skip
        judged = found.quality.get(dimensions)
        if judged is None:
            judged = found.quality[dimensions] = Judged(sums=_sums(answer))
        judged.tally.score(score.millionths)
        for share in (conversation, user):
            if share is not None:
                share.scores.setdefault(f"{score.kind}:{score.name}", Tally()).score(score.millionths)


def _leave_unattached(found: Shares, request: RequestState) -> None:
    """What is said of a request of which no call is known, or of a conversation as a whole."""
    about = None
    if request.conversation_id:
        about = found.conversations[request.conversation_id] = Share()
    for score in request.scores:
        dimensions = Dimensions(score.given_us // DAY_US, request.tenant_id, "", "", "", score.kind, score.name)
        found.unattached.setdefault(dimensions, Judged()).tally.score(score.millionths)
        if about is not None:
            about.scores.setdefault(f"{score.kind}:{score.name}", Tally()).score(score.millionths)


def _quality_key(dimensions: Dimensions) -> str:
    day, *names = msgspec.structs.astuple(dimensions)
    return key_of(str(day), *names)
