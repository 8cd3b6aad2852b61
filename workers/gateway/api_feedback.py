"""`/api/v1/chat/feedback`: a score of an answer, taken once Kafka has acknowledged it; and what was given, to read."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
from aiokafka.errors import KafkaError
from fastapi import APIRouter, Depends, Request, Response

from observatory.adapters.feedback import publish_feedback
from observatory.adapters.kafka import Publisher
from observatory.adapters.postgres.feedback import FeedbackPlace, FeedbackQuery, Standing, read_feedback
from observatory.adapters.postgres.quality import watermark
from observatory.rules.instants import at_us, us_of
from observatory.rules.limits import DEFAULT_PAGE
from schemas.feedback import MILLION, FeedbackGiven
from schemas.http_analytics import MAX_ROWS, AnalyticsAnswer
from schemas.http_feedback import FeedbackAccepted, FeedbackParameters, FeedbackRow, GiveFeedback
from workers.gateway.access import Access
from workers.gateway.analytics_answers import csv_answer, json_answer, one_by_one, wants_csv
from workers.gateway.analytics_desk import AnalyticsDesk
from workers.gateway.analytics_query import Asked, Position, asked, described_query, parameters_of, tenant_of
from workers.gateway.api_bodies import Asker, body_of, described, headers_of
from workers.gateway.bodies import Headers
from workers.gateway.openai_request import request_id_of
from workers.gateway.refusals import Refusal, invalid, not_available

log = logging.getLogger(__name__)

ACKNOWLEDGED_S = 10.0
EARLY = timedelta(days=1)
"""How far the clock of who gave it may be ahead of ours."""


class FeedbackDesk:
    """Takes feedback in; `connected` tells whether Kafka was reached yet."""

    def __init__(self, publisher: Publisher, connected: Callable[[], bool]) -> None:
        self._publisher, self._connected = publisher, connected

    async def give(self, given: FeedbackGiven) -> None:
        """Returns when the broker has acknowledged it. Raises `Refusal` 503 when it does not in time."""
        if not self._connected():
            raise not_available("Kafka was not reached yet; send the feedback again")
        try:
            async with asyncio.timeout(ACKNOWLEDGED_S):
                await (await publish_feedback(self._publisher, given))
        except (KafkaError, TimeoutError) as error:
            log.warning("feedback not acknowledged: %r", error, extra={"request_id": str(given.request_id)})
            message = "the broker did not acknowledge the feedback in time; send it again with the same feedback_id"
            raise not_available(message) from error


def feedback_router(desk: FeedbackDesk, analytics: AnalyticsDesk) -> APIRouter:
    """The endpoints."""
    router = APIRouter(prefix="/api/v1/chat", tags=["chat"])
    query = Annotated[FeedbackParameters, Depends(parameters_of(FeedbackParameters))]
    body = Annotated[GiveFeedback, Depends(body_of(GiveFeedback))]

    @router.post("/feedback", status_code=202, openapi_extra=described(GiveFeedback))
    async def give(request: Request, access: Asker, body: body) -> FeedbackAccepted:
        """Takes a score of the answer to one of the tenant's requests, or of a conversation as a whole.

        Whether there is such a request is not asked: its call may still be on its way, or be known to other topics.
        """
        given = feedback_of(body, access, headers_of(request), datetime.now(UTC))
        await desk.give(given)
        return FeedbackAccepted(feedback_id=given.feedback_id, request_id=given.request_id)

    @router.get(
        "/feedback",
        openapi_extra=described_query(FeedbackParameters),
        responses={200: {"model": AnalyticsAnswer[FeedbackRow]}},
    )
    async def page(request: Request, access: Asker, parameters: query) -> Response:
        """What was given within the period, as it stands, latest first."""
        question = asked(request, parameters, access)
        wanted, after = _wanted(parameters, question, access), _after(question.after)
        as_csv = wants_csv(request, parameters)
        limit = parameters.limit or (MAX_ROWS if as_csv else DEFAULT_PAGE)
        # Asked first: what comes in between is in the answer and beyond what it promises.
        until = await analytics.read(watermark)
        found = await analytics.read(lambda pool: read_feedback(pool, wanted, after, limit + 1))
        following = question.next(*found[limit - 1].place) if len(found) > limit else None
        rows = [_row(one) for one in found[:limit]]
        if as_csv:
            return csv_answer(FeedbackRow, question.period, until, one_by_one(rows), following=following)
        return json_answer(FeedbackRow, question.period, until, rows, following)

    return router


def _wanted(parameters: FeedbackParameters, question: Asked, access: Access) -> FeedbackQuery:
    most = parameters.max_value
    return FeedbackQuery(
        start_us=us_of(question.period.start),
        end_us=us_of(question.period.end),
        tenants=tenant_of(access, parameters.tenant or []),
        request=None if parameters.request_id is None else str(parameters.request_id),
        conversations=parameters.conversation or [],
        users=parameters.user or [],
        kind=parameters.kind,
        name=parameters.name,
        most_millionths=None if most is None else round(most * MILLION),
        commented=parameters.commented,
    )


def _after(position: Position | None) -> FeedbackPlace | None:
    if position is None:
        return None
    match list(position):
        case [int(given_us), str(key), int(part)]:
            return FeedbackPlace(given_us, key, part)
    raise invalid("the cursor is not one that a page of this list gave", "cursor")


def _row(standing: Standing) -> FeedbackRow:
    one = standing.given
    fields = msgspec.structs.asdict(one)
    ids = {name: UUID(fields[name]) if fields[name] else None for name in ("feedback_id", "request_id")}
    value, given_at = one.millionths / MILLION, at_us(one.given_us)
    return FeedbackRow.model_validate(
        {**fields, **ids, "attached": standing.attached, "value": value, "given_at": given_at}
    )


def feedback_of(body: GiveFeedback, access: Access, headers: Headers, now: datetime) -> FeedbackGiven:
    """The event. Raises `Refusal` 400 for two different ids, 422 for a time that lies in the future."""
    feedback_id, named = request_id_of(headers)
    if body.feedback_id is not None:
        if named and feedback_id != body.feedback_id:
            raise invalid("feedback_id and Idempotency-Key name different feedback", "feedback_id")
        feedback_id = body.feedback_id
    if body.given_at is not None and body.given_at > now + EARLY:
        fault = {"pointer": "/given_at", "detail": "lies more than a day in the future"}
        raise Refusal(422, "invalid_body", "/given_at: lies more than a day in the future", final=True, errors=[fault])
    fields = body.model_dump(exclude_none=True) | {"feedback_id": feedback_id, "tenant_id": access.tenant_id}
    return FeedbackGiven.model_validate({"given_at": now, **fields})
