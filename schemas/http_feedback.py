"""Bodies of `/api/v1/chat/feedback`."""

from uuid import UUID

from pydantic import model_validator

from schemas.base import Body, Name, Time
from schemas.feedback import RATING, Comment, Score, ScoreKind, ScoreName, Thumbs, check_one_score
from schemas.http import HttpBody


class GiveFeedback(HttpBody):
    """A score of the answer to a request: `value` (0 to 1) or `thumbs`.

    `feedback_id` may come as `Idempotency-Key` instead. A later score of the same request, user, kind and name replaces
    it. `given_at` is now, unless it is given.
    """

    request_id: UUID
    feedback_id: UUID | None = None
    conversation_id: Name | None = None
    user_id: Name | None = None
    kind: ScoreKind = "user"
    name: ScoreName = RATING
    value: Score | None = None
    thumbs: Thumbs | None = None
    comment: Comment | None = None
    source: Name | None = None
    given_at: Time | None = None

    @model_validator(mode="after")
    def _one_score(self) -> "GiveFeedback":
        check_one_score(self.value, self.thumbs)
        return self


class FeedbackAccepted(Body):
    """Feedback that Kafka has; whether the request is known shows when the two are joined."""

    feedback_id: UUID
    request_id: UUID
