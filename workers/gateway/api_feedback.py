"""`/api/v1/chat/feedback`: a score of an answer, taken once Kafka has acknowledged it."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated

from aiokafka.errors import KafkaError
from fastapi import APIRouter, Depends, Request

from observatory.adapters.feedback import publish_feedback
from observatory.adapters.kafka import Publisher
from schemas.feedback import FeedbackGiven
from schemas.http_feedback import FeedbackAccepted, GiveFeedback
from workers.gateway.access import Access
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


def feedback_router(desk: FeedbackDesk) -> APIRouter:
    """The endpoint."""
    router = APIRouter(prefix="/api/v1/chat", tags=["chat"])
    body = Annotated[GiveFeedback, Depends(body_of(GiveFeedback))]

    @router.post("/feedback", status_code=202, openapi_extra=described(GiveFeedback))
    async def give(request: Request, access: Asker, body: body) -> FeedbackAccepted:
        """Takes a score of the answer to one of the tenant's requests.

        Whether there is such a request is not asked: its call may still be on its way, or be known to other topics.
        """
        given = feedback_of(body, access, headers_of(request), datetime.now(UTC))
        await desk.give(given)
        return FeedbackAccepted(feedback_id=given.feedback_id, request_id=given.request_id)

    return router


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
