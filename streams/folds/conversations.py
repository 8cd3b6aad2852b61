"""Conversations: turns, tokens, cost, models, scores, and how the context grows from turn to turn.

The sums are over all requests of the conversation. The context is seen turn by turn, in the order in which the turns
began; the last `MOST_TURNS` of them can still change, those before are summed up.
"""

from bisect import insort
from datetime import timedelta

import msgspec

from streams.engine.fold import At, Fold, Out
from streams.folds.requests import NAME as REQUESTS
from streams.folds.shares import CONVERSATIONS as NAME
from streams.folds.shares import ShareChange, Turn
from streams.folds.sums import Sums, Tally, merged, merged_tallies

MOST_TURNS = 64
MOST_MODELS = 32
MOST_SCORES = 32
MOST_USERS = 16


class Series(msgspec.Struct, gc=False):
    """Input tokens of turns 0, 1, …: sums that give their slope, the first, the last, the most; the most by model."""

    turns: int = 0
    total: int = 0
    weighted: int = 0
    first: int = 0
    last: int = 0
    most: int = 0
    most_by_model: dict[str, int] = {}

    def append(self, turn: Turn) -> None:
        """The next turn."""
        tokens = turn.input_tokens
        if self.turns == 0:
            self.first = tokens
        self.total += tokens
        self.weighted += self.turns * tokens
        self.turns += 1
        self.last = tokens
        self.most = max(self.most, tokens)
        known = self.most_by_model.get(turn.model)
        if known is not None or len(self.most_by_model) < MOST_MODELS:
            self.most_by_model[turn.model] = max(tokens, known or 0)

    def copy(self) -> "Series":
        """One that can go on without this one."""
        return msgspec.structs.replace(self, most_by_model=dict(self.most_by_model))

    @property
    def growth(self) -> float | None:
        """Tokens more with each turn: the slope of the least squares line; None for less than two turns."""
        n = self.turns
        if n < 2:
            return None
        indexes, squares = n * (n - 1) // 2, (n - 1) * n * (2 * n - 1) // 6
        return (n * self.weighted - indexes * self.total) / (n * squares - indexes * indexes)


class Conversation(msgspec.Struct):
    """One conversation. `context` is over all turns, `earlier` over those before `recent`.

    `late_turns` are turns that came when all of `recent` were later ones: they are in the sums, not in the context.
    """

    tenant_id: str
    conversation_id: str
    first_us: int
    last_us: int
    sums: Sums = msgspec.field(default_factory=Sums)
    models: dict[str, int] = {}
    other_model_calls: int = 0
    scores: dict[str, Tally] = {}
    other_scores: int = 0
    users: dict[str, int] = {}
    other_user_calls: int = 0
    context: Series = msgspec.field(default_factory=Series)
    growth: float | None = None
    earlier: Series = msgspec.field(default_factory=Series)
    recent: list[Turn] = []
    floor: Turn | None = None
    late_turns: int = 0


def apply(state: Conversation | None, change: ShareChange, at: At, out: Out) -> Conversation:
    """Adds what changed of one request."""
    share = change.share
    one = state or Conversation(change.tenant_id, change.name, share.first_us, share.last_us)
    one.sums.book(share.sums)
    if share.last_us:
        one.first_us, one.last_us = min(one.first_us, share.first_us), max(one.last_us, share.last_us)
    one.models, more = merged(one.models, share.models, MOST_MODELS)
    one.other_model_calls += more
    one.scores, more = merged_tallies(one.scores, share.scores, MOST_SCORES)
    one.other_scores += more
    one.users, more = merged(one.users, share.users, MOST_USERS)
    one.other_user_calls += more
    if change.turn_changed:
        _place(one, change.request_id, share.turn)
    return one


def _place(one: Conversation, request_id: str, turn: Turn | None) -> None:
    """Puts a turn where it belongs, in place of what was known of it."""
    one.recent = [other for other in one.recent if other.request_id != request_id]
    if turn is not None:
        if one.floor is not None and turn <= one.floor:
            one.late_turns += 1
        else:
            insort(one.recent, turn)
    if len(one.recent) > MOST_TURNS:
        one.floor = one.recent.pop(0)
        one.earlier.append(one.floor)
    one.context = one.earlier.copy()
    for other in one.recent:
        one.context.append(other)
    one.growth = one.context.growth


CONVERSATIONS = Fold(name=NAME, parent=REQUESTS, state=Conversation, apply=apply, keep=timedelta(days=400))
