"""A user as it stands: what the user's requests add up to, one partial for each partition, and all of them together."""

from collections.abc import Iterable

from observatory.rules.call_sums import Activity


class User(Activity, kw_only=True):
    """What a user asked in one partition, or in all."""

    user_id: str


def together(partials: Iterable[User]) -> User | None:
    """The sum of a user's partials; None of none."""
    whole: User | None = None
    for one in partials:
        if whole is None:
            whole = User(tenant_id=one.tenant_id, user_id=one.user_id, first_us=0, last_us=0)
        whole.span(one.first_us, one.last_us)
        whole.book(one.sums, one.models, one.scores)
        whole.other_model_calls += one.other_model_calls
        whole.other_scores += one.other_scores
    return whole
