"""`/api/v1/dead-letters`: records that could not be read, as they came; operators see them and send them again."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from observatory.adapters.dead_letters import Letter, Summary
from observatory.rules.limits import MAX_PAGE
from schemas.base import MAX_NAME_LENGTH
from schemas.http_dead_letters import (
    DeadLetterPage,
    DeadLetterReason,
    DeadLettersRetried,
    DeadLetterTopic,
    DeadLetterTopics,
    DeadLetterView,
    RetryDeadLetters,
)
from workers.gateway.access import Access
from workers.gateway.api_bodies import Asker, body_of, described
from workers.gateway.dead_letter_desk import DeadLetterDesk

SHOWN_BYTES = 2_000
DEFAULT_LETTERS = 50

Name = Annotated[str, Path(min_length=1, max_length=MAX_NAME_LENGTH, description="The topic that they came from.")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]


def dead_letters_router(desk: DeadLetterDesk) -> APIRouter:
    """The endpoints."""

    async def operator(access: Asker) -> Access:
        desk.only_operators(access)
        return access

    router = APIRouter(prefix="/api/v1/dead-letters", tags=["operations"], dependencies=[Depends(operator)])
    retry_body = Annotated[RetryDeadLetters, Depends(body_of(RetryDeadLetters))]

    @router.get("")
    async def counts() -> DeadLetterTopics:
        """How many dead letters there are, by topic and reason; counted at most every ten seconds."""
        return DeadLetterTopics(topics=[_counts(one) for one in await desk.counts_or_refuse()])

    @router.get("/{topic}")
    async def page(topic: Name, limit: Limit = DEFAULT_LETTERS) -> DeadLetterPage:
        """The latest of a topic: where each came from, why it could not be read, and how it begins."""
        of, letters, retried_below = await desk.latest(topic, limit)
        return DeadLetterPage(topic=of.name, letters=[_view(letter, retried_below) for letter in letters])

    @router.post("/{topic}/retry", openapi_extra=described(RetryDeadLetters))
    async def retry(topic: Name, body: retry_body) -> DeadLettersRetried:
        """Sends those that wait to the topic that they came from again: same key, value and headers."""
        of, sent = await desk.retry(topic, body.up_to)
        return DeadLettersRetried(topic=of.name, sent=sent)

    return router


def _counts(one: Summary) -> DeadLetterTopic:
    reasons = [DeadLetterReason(reason=reason, records=records) for reason, records in one.reasons.items()]
    return DeadLetterTopic(topic=one.topic, records=one.records, waiting=one.waiting, reasons=reasons)


def _view(letter: Letter, retried_below: int) -> DeadLetterView:
    record = letter.record
    value = record.value or b""
    return DeadLetterView(
        offset=record.offset,
        appended_at=letter.appended_at,
        reason=letter.reason,
        waiting=record.offset >= retried_below,
        source_topic=letter.source_topic,
        source_partition=letter.source_partition,
        source_offset=letter.source_offset,
        failed_at=letter.failed_at,
        key=None if record.key is None else record.key.decode(errors="replace"),
        text=value[:SHOWN_BYTES].decode(errors="replace"),
        bytes=len(value),
    )
