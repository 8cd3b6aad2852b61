"""Users: what a user's requests add up to. One partial for each partition: a user has many conversations."""

from datetime import timedelta

import msgspec

from observatory.rules.call_sums import Sums, Tally, merged, merged_tallies
from streams.engine.fold import At, Fold, Out
from streams.folds.requests import NAME as REQUESTS
from streams.folds.shares import USERS as NAME
from streams.folds.shares import ShareChange

MOST_MODELS = 32
MOST_SCORES = 32


class User(msgspec.Struct):
    """What a user asked in one partition."""

    tenant_id: str
    user_id: str
    first_us: int
    last_us: int
    sums: Sums = msgspec.field(default_factory=Sums)
    models: dict[str, int] = {}
    other_model_calls: int = 0
    scores: dict[str, Tally] = {}
    other_scores: int = 0


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
