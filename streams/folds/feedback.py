"""Feedback as it stands, with its words: the latest of each request, kind, name and giver."""

from datetime import timedelta

from observatory.rules.feedback import Feedback
from schemas.topics import FEEDBACK_ROUTED
from streams.engine.fold import At, Fold, Out, key_of

NAME = "feedback"


def key(given: Feedback) -> str:
    """A later one of the same request (else conversation), kind, name and giver replaces what was given before."""
    about = (given.request_id,) if given.request_id else ("", given.conversation_id or "")
    return key_of(given.tenant_id, *about, given.kind, given.name, given.user_id or "")


def apply(state: Feedback | None, given: Feedback, at: At, out: Out) -> Feedback | None:
    """The later one stands, whichever comes first."""
    if state is not None and _order(given) <= _order(state):
        return None
    return given


def _order(given: Feedback) -> tuple[int, str, int, str, str]:
    return given.given_us, given.feedback_id, given.millionths, given.comment or "", given.source or ""


FEEDBACK = Fold(
    name=NAME, inputs=(FEEDBACK_ROUTED,), state=Feedback, key=key, apply=apply, keep=timedelta(days=400)
)  # fmt: skip
