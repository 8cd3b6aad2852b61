"""Users: what a user's requests add up to. One partial for each partition: a user has many conversations."""

from datetime import timedelta

from observatory.rules.call_sums import merged, merged_tallies
from observatory.rules.users import MOST_MODELS, MOST_SCORES, User
from streams.engine.fold import At, Fold, Out
from streams.folds.requests import NAME as REQUESTS
from streams.folds.shares import USERS as NAME
from streams.folds.shares import ShareChange


def apply(state: User | None, change: ShareChange, at: At, out: Out) -> User:
    """Adds what changed of one request."""
    share = change.share
    one = state or User(change.tenant_id, change.name, share.first_us, share.last_us)
    one.sums.book(share.sums)
    if share.last_us:
        one.first_us, one.last_us = min(one.first_us, share.first_us), max(one.last_us, share.last_us)
    one.models, more = merged(one.models, share.models, MOST_MODELS)
    one.other_model_calls += more
    one.scores, more = merged_tallies(one.scores, share.scores, MOST_SCORES)
    one.other_scores += more
    return one


USERS = Fold(name=NAME, parent=REQUESTS, state=User, apply=apply, keep=timedelta(days=400))
