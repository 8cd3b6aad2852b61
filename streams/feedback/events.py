"""From a record of feedback to what folds read."""

from datetime import UTC, datetime

import msgspec

from observatory.adapters.kafka import Record, Unreadable, read_event
from schemas.feedback import FeedbackGiven, ScoreKind
from streams.ledger.decode import DAY_S, EARLY_S

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Feedback(msgspec.Struct, gc=False, frozen=True, kw_only=True):
    """`schemas.feedback.FeedbackGiven`: its score in millionths, its time in microseconds since 1970."""

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


def read_given(record: Record) -> FeedbackGiven:
    """The event of a record. Raises `Unreadable`, for a time that no honest clock shows too."""
    _, given = read_event(record, FeedbackGiven)
    if not _EPOCH.timestamp() <= given.given_at.timestamp() <= record.timestamp / 1000 + EARLY_S:
        raise Unreadable(f"given_at: before 1970, or more than {EARLY_S // DAY_S} day after the record was appended")
    return given


def read_feedback(record: Record) -> Feedback:
    """What a record of `feedback.routed` says. Raises `Unreadable`."""
    given = read_given(record)
    return Feedback(
        feedback_id=str(given.feedback_id),
        request_id=str(given.request_id),
        tenant_id=given.tenant_id,
        conversation_id=given.conversation_id,
        user_id=given.user_id,
        kind=given.kind,
        name=given.name,
        millionths=given.millionths,
        comment=given.comment,
        source=given.source,
        given_us=microseconds(given.given_at),
    )


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970, exact."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
