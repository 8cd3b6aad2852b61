"""Users: what a user's requests add up to. One partial for each partition: a user has many conversations."""

from datetime import timedelta

from observatory.rules.users import User
from streams.engine.fold import At, Fold, Out
from streams.folds.requests import NAME as REQUESTS
from streams.folds.shares import USERS as NAME
from streams.folds.shares import ShareChange


def apply(state: User | None, change: ShareChange, at: At, out: Out) -> User:
    """Adds what changed of one request."""
    share = change.share
    one = state or User(tenant_id=change.tenant_id, user_id=change.name, first_us=0, last_us=0)
    one.span(share.first_us, share.last_us)
    one.book(share.sums, share.models, share.scores)
    return one


USERS = Fold(name=NAME, parent=REQUESTS, state=User, apply=apply, keep=timedelta(days=400))
