"""How feedback gets onto its topic: the same from whatever program."""

import asyncio

from aiokafka.structs import RecordMetadata

from observatory.adapters.kafka import Publisher
from schemas.envelope import event_id, request_key
from schemas.feedback import FeedbackGiven
from schemas.topics import FEEDBACK_GIVEN


async def publish_feedback(out: Publisher, given: FeedbackGiven) -> asyncio.Future[RecordMetadata]:
    """Buffers feedback under its own id and key; the future ends when it is acknowledged."""
    ce_id = event_id(request_key(given.tenant_id, given.feedback_id), FeedbackGiven.ce_type)
    return await out.publish(FEEDBACK_GIVEN, given.key, given, ce_id)
