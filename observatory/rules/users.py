"""A user as it stands: what the user's requests add up to, one partial for each partition, and all of them together."""

from collections.abc import Iterable

import msgspec

from observatory.rules.call_sums import Sums, Tally, merged, merged_tallies

MOST_MODELS = 32
MOST_SCORES = 32


class User(msgspec.Struct, gc=False, omit_defaults=True):
    """What a user asked in one partition, or in all."""

    tenant_id: str
    user_id: str
    first_us: int
    last_us: int
    sums: Sums = msgspec.field(default_factory=Sums)
    models: dict[str, int] = {}
    other_model_calls: int = 0
    scores: dict[str, Tally] = {}
    other_scores: int = 0


def together(partials: Iterable[User]) -> User | None:
    """The sum of a user's partials; None of none."""
    whole: User | None = None
    for one in partials:
        if whole is None:
            whole = User(one.tenant_id, one.user_id, one.first_us, one.last_us)
        whole.first_us, whole.last_us = min(whole.first_us, one.first_us), max(whole.last_us, one.last_us)
        whole.sums.book(one.sums)
        whole.models, more = merged(whole.models, one.models, MOST_MODELS)
        whole.other_model_calls += more + one.other_model_calls
        whole.scores, more = merged_tallies(whole.scores, one.scores, MOST_SCORES)
        whole.other_scores += more + one.other_scores
    return whole
