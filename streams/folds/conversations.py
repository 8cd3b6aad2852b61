"""Conversations: what their requests add up to, and how the context grows from turn to turn."""

from datetime import timedelta

from observatory.rules.call_sums import merged
from observatory.rules.conversations import MOST_USERS, Conversation, place_turn
from streams.engine.fold import At, Fold, Out
from streams.folds.requests import NAME as REQUESTS
from streams.folds.shares import CONVERSATIONS as NAME
from streams.folds.shares import ShareChange


def apply(state: Conversation | None, change: ShareChange, at: At, out: Out) -> Conversation:
    """Adds what changed of one request."""
    share = change.share
    one = state or Conversation(tenant_id=change.tenant_id, conversation_id=change.name, first_us=0, last_us=0)
    one.span(share.first_us, share.last_us)
    one.book(share.sums, share.models, share.scores)
    one.users, more = merged(one.users, share.users, MOST_USERS)
    one.other_user_calls += more
    if change.turn_changed:
        place_turn(one, change.request_id, share.turn)
    return one


CONVERSATIONS = Fold(name=NAME, parent=REQUESTS, state=Conversation, apply=apply, keep=timedelta(days=400))
