"""Feedback as it is folded and stored."""

import msgspec

from schemas.feedback import ScoreKind


class Feedback(msgspec.Struct, gc=False, frozen=True, kw_only=True):
    """`schemas.feedback.FeedbackGiven`: its score in millionths, its time in microseconds since 1970.

    `request_id` is empty where the conversation as a whole is scored.
    """

    feedback_id: str
    request_id: str
    tenant_id: str
    conversation_id: str | None
    user_id: str | None
    kind: ScoreKind
    name: str
    millionths: int
    comment: str | None
    source: str | None
    given_us: int
