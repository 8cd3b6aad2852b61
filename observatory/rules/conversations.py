"""A conversation as it stands: turns, tokens, cost, models, scores, and how the context grows from turn to turn.

The sums are over all requests of the conversation. The context is seen turn by turn, in the order in which the turns
began; the last `MOST_TURNS` of them can still change, those before are summed up.
"""

from bisect import insort

import msgspec

from observatory.rules.call_sums import MOST_NAMES, Activity

MOST_TURNS = 64
MOST_USERS = 16


class Turn(msgspec.Struct, gc=False, array_like=True, order=True):
    """The answering call of a request: what it had to read, in tokens."""

    started_us: int
    request_id: str
    input_tokens: int
    model: str


class Series(msgspec.Struct, gc=False, omit_defaults=True):
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
        if known is not None or len(self.most_by_model) < MOST_NAMES:
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


class Conversation(Activity, kw_only=True):
    """One conversation. `context` is over all turns, `earlier` over those before `recent`.

    `late_turns` are turns that came when all of `recent` were later ones: they are in the sums, not in the context.
    """

    conversation_id: str
    users: dict[str, int] = msgspec.field(default_factory=dict)
    other_user_calls: int = 0
    context: Series = msgspec.field(default_factory=Series)
    growth: float | None = None
    earlier: Series = msgspec.field(default_factory=Series)
    recent: list[Turn] = msgspec.field(default_factory=list)
    floor: Turn | None = None
    late_turns: int = 0


def place_turn(one: Conversation, request_id: str, turn: Turn | None) -> None:
    """Puts the turn of a request where it belongs, in place of what was known of it; None: it has none any more."""
    others = [other for other in one.recent if other.request_id != request_id]
    newest = others[-1] if others else one.floor
    if turn is not None and len(others) == len(one.recent) and (newest is None or turn > newest):
        one.recent.append(turn)
        one.context.append(turn)
        _keep_bounded(one)
    else:
        one.recent = others
        _place_anew(one, turn)
    one.growth = one.context.growth


def _place_anew(one: Conversation, turn: Turn | None) -> None:
    """A turn between others, or none any more: the context is what all of them give."""
    if turn is not None:
        if one.floor is not None and turn <= one.floor:
            one.late_turns += 1
        else:
            insort(one.recent, turn)
    _keep_bounded(one)
    one.context = one.earlier.copy()
    for other in one.recent:
        one.context.append(other)


def _keep_bounded(one: Conversation) -> None:
    if len(one.recent) > MOST_TURNS:
        one.floor = one.recent.pop(0)
        one.earlier.append(one.floor)
