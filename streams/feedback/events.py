"""From a record of feedback to what folds read."""

from observatory.adapters.kafka import Record, Unreadable, read_event
from observatory.rules.feedback import Feedback
from observatory.rules.instants import us_of
from schemas.feedback import FeedbackGiven
from streams.ledger.decode import DAY_S, EARLY_S


def read_given(record: Record) -> FeedbackGiven:
    """The event of a record. Raises `Unreadable`, for a time that no honest clock shows too."""
    _, given = read_event(record, FeedbackGiven)
    if not 0 <= given.given_at.timestamp() <= record.timestamp / 1000 + EARLY_S:
        raise Unreadable(f"given_at: before 1970, or more than {EARLY_S // DAY_S} day after the record was appended")
    return given


def read_feedback(record: Record) -> Feedback:
    """What a record of `feedback.routed` says. Raises `Unreadable`."""
    given = read_given(record)
    return Feedback(
        feedback_id=str(given.feedback_id),
        request_id="" if given.request_id is None else str(given.request_id),
        tenant_id=given.tenant_id,
        conversation_id=given.conversation_id,
        user_id=given.user_id,
        kind=given.kind,
        name=given.name,
        millionths=given.millionths,
        comment=given.comment,
        source=given.source,
        given_us=us_of(given.given_at),
    )
