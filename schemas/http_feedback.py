"""Bodies of `/api/v1/chat/feedback`."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, model_validator

from schemas.base import Body, Name, Time
from schemas.feedback import RATING, Comment, Score, ScoreKind, ScoreName, Thumbs, check_one_score, check_subject
from schemas.http import HttpBody
from schemas.http_analytics import PeriodParameters


class GiveFeedback(HttpBody):
    """A score of the answer to a request, or of a conversation as a whole where no request is named: `value` (0 to 1)
    or `thumbs`.

    `feedback_id` may come as `Idempotency-Key` instead. A later score of the same request, user, kind and name replaces
    it. `given_at` is now, unless it is given.
    """

    request_id: UUID | None = None
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
        check_subject(self.request_id, self.conversation_id)
        return self


class FeedbackAccepted(Body):
    """Feedback that Kafka has; whether the request is known shows when the two are joined (`attached` of its row)."""

    feedback_id: UUID
    request_id: UUID | None


class FeedbackParameters(PeriodParameters):
    """Which feedback: given within the period, and with all that is asked for besides.

    A name that is given twice takes both.
    """

    tenant: Annotated[list[Name] | None, Field(description="Only of these tenants; a key sees its own only.")] = None
    request_id: Annotated[UUID | None, Field(description="Only on the answer to this request.")] = None
    conversation: Annotated[list[Name] | None, Field(description="Only of these conversations.")] = None
    user: Annotated[list[Name] | None, Field(description="Only by these users.")] = None
    kind: Annotated[ScoreKind | None, Field(description="Only by users, or automatic.")] = None
    name: Annotated[ScoreName | None, Field(description="Only of this name, for example rating.")] = None
    max_value: Annotated[Score | None, Field(description="Only scores up to this, for example 0.5.")] = None
    commented: Annotated[bool | None, Field(description="true: only with a comment; false: only without.")] = None


class FeedbackRow(Body):
    """Feedback as it stands: earlier versions of the same request, kind, name and user are not shown.

    `request_id` is null where the conversation as a whole was scored. `attached`: a call of that request (else
    conversation) is known. What is not attached is counted under its tenant alone, and may still be.
    """

    feedback_id: UUID
    request_id: UUID | None
    attached: bool
    tenant_id: str
    conversation_id: str | None
    user_id: str | None
    kind: ScoreKind
    name: str
    value: Score
    comment: str | None
    source: str | None
    given_at: Time
