"""Which calls were seen lately, so that each is counted in one window only, however often it is recorded."""

from datetime import timedelta

import msgspec

from schemas.topics import LLM_CALLS
from streams.engine.events import cost_of
from streams.engine.fold import At, Fold, Out
from streams.folds import windows
from streams.ledger.decode import CallFields

NAME = "recent_calls"


class RecentCall(msgspec.Struct):
    """The highest revision of a call that was seen."""

    revision: int


def key(call: CallFields) -> str:
    """A call is known by its id."""
    return call.call_id.hex


def apply(state: RecentCall | None, call: CallFields, at: At, out: Out) -> RecentCall | None:
    """The first record of a call goes into the window of its second. What is learnt later changes no window."""
    if state is not None:
        if call.revision <= state.revision:
            return None
        state.revision = call.revision
        return state
    second = at.time_ms // 1000
    # Its cost must be readable now: a defect here must not be found in the window, with others' calls.
    out.derive(windows.NAME, str(second), windows.Counted(second, call, cost_of(call)))
    return RecentCall(call.revision)


RECENT_CALLS = Fold(
    name=NAME, inputs=(LLM_CALLS,), state=RecentCall, key=key, apply=apply, keep=timedelta(hours=2)
)  # fmt: skip
