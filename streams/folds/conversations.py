"""Conversations: what their requests add up to, and how the context grows from turn to turn."""

from datetime import timedelta

from observatory.rules.call_sums import merged, merged_tallies
from observatory.rules.conversations import MOST_MODELS, MOST_SCORES, MOST_USERS, Conversation, place_turn
from streams.engine.fold import At, Fold, Out
from streams.folds.requests import NAME as REQUESTS
from streams.folds.shares import CONVERSATIONS as NAME
from streams.folds.shares import ShareChange


def apply(state: Conversation | None, change: ShareChange, at: At, out: Out) -> Conversation:
    """Adds what changed of one request."""
    share = change.share
    one = state or Conversation(change.tenant_id, change.name, share.first_us, share.last_us)
    one.sums.book(share.sums)
    if share.last_us:
        # A conversation that was only scored so far has not begun.
        one.first_us, one.last_us = min(one.first_us or share.first_us, share.first_us), max(one.last_us, share.last_us)
    one.models, more = merged(one.models, share.models, MOST_MODELS)
    one.other_model_calls += more
    one.scores, more = merged_tallies(one.scores, share.scores, MOST_SCORES)
    one.other_scores += more
    one.users, more = merged(one.users, share.users, MOST_USERS)
    one.other_user_calls += more
    if change.turn_changed:
        place_turn(one, change.request_id, share.turn)
    return one


CONVERSATIONS = Fold(name=NAME, parent=REQUESTS, state=Conversation, apply=apply, keep=timedelta(days=400))
