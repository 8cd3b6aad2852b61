"""The event of feedback: how good an answer was, said by a person or by a program (`feedback.given`)."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from schemas.base import Event, Name, Time
from schemas.chat import DEFAULT_TENANT

ScoreKind = Literal["user", "automatic"]
Thumbs = Literal["up", "down"]
ScoreName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]{0,63}$")]
"""What is scored: `rating`, `relevance`, `toxicity`, …"""

Score = Annotated[float, Field(ge=0, le=1, description="0: as bad as can be, 1: as good; counted in millionths")]
Comment = Annotated[str, StringConstraints(max_length=4000, pattern=r"^[^\x00]*$")]

RATING = "rating"
MILLION = 1_000_000


class FeedbackGiven(Event):
    """A score of one answer, or of a conversation as a whole where no request is named. A later one of the same
    request (else conversation), user, kind and name replaces it.

    `feedback_id` is the giver's idempotency key; what is later is told by `given_at`, then by `feedback_id`. Exactly
    one of `value` and `thumbs` is given: thumbs up is the value 1, down is 0. `kind` says who judged: a `user`, or a
    program (`automatic`). Above one half a score counts as up, below as down.
    """

    ce_type: ClassVar[str] = "feedback.given.v1"

    feedback_id: UUID
    request_id: UUID | None = None
    tenant_id: Name = DEFAULT_TENANT
    conversation_id: Name | None = None
    user_id: Name | None = None
    kind: ScoreKind = "user"
    name: ScoreName = RATING
    value: Score | None = None
    thumbs: Thumbs | None = None
    comment: Comment | None = None
    source: Name | None = None
    given_at: Time

    @model_validator(mode="after")
    def _one_score(self) -> "FeedbackGiven":
        check_one_score(self.value, self.thumbs)
        check_subject(self.request_id, self.conversation_id)
        return self

    @property
    def key(self) -> str:
        """What its record is keyed by."""
        return self.conversation_id or str(self.request_id)

    @property
    def millionths(self) -> int:
        """The score as it is counted: 0 to 1,000,000."""
        if self.value is None:
            return MILLION if self.thumbs == "up" else 0
        return round(self.value * MILLION)


def check_one_score(value: float | None, thumbs: str | None) -> None:
    """Raises `ValueError` unless exactly one of the two is given."""
    if (value is None) == (thumbs is None):
        raise ValueError("give exactly one of value (0 to 1) and thumbs (up or down)")


def check_subject(request_id: UUID | None, conversation_id: str | None) -> None:
    """Raises `ValueError` unless one of the two is given."""
    if request_id is None and conversation_id is None:
        raise ValueError("give request_id, or conversation_id to score a conversation as a whole")
