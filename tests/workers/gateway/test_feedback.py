"""`POST /api/v1/chat/feedback`: what is taken is on the topic, what makes no sense is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import aiohttp
import pytest

from observatory.adapters.kafka import new_consumer, read_event, topic_name
from observatory.adapters.settings import KafkaSettings
from schemas.envelope import event_id, request_key
from schemas.feedback import FeedbackGiven
from schemas.topics import FEEDBACK_GIVEN
from tests.workers.gateway.conftest import Process


async def published(kafka: KafkaSettings, feedback_id: str) -> list[tuple[bytes | None, str | None, FeedbackGiven]]:
    """What is on the topic under that id: key, `ce_id` and event."""
    consumer = new_consumer(kafka, "test")
    await consumer.start()
    consumer.subscribe([topic_name(kafka, FEEDBACK_GIVEN)])
    found = []
    try:
        async for record in consumer:
            envelope, event = read_event(record, FeedbackGiven)
            if str(event.feedback_id) == feedback_id:
                found.append((record.key, envelope.ce_id, event))
                break
    finally:
        await consumer.stop()
    return found


async def test_feedback_that_was_taken_is_on_the_topic(
    gateway: Process, http: aiohttp.ClientSession, topics: KafkaSettings
) -> None:
    request_id, mine = str(uuid4()), uuid4()
    body = {"request_id": request_id, "thumbs": "up", "comment": "Good", "user_id": "alice", "conversation_id": "c1"}
    headers = {"idempotency-key": str(mine)}
    async with http.post(f"{gateway.url}/api/v1/chat/feedback", json=body, headers=headers) as response:
        assert response.status == 202
        assert await response.json() == {"feedback_id": str(mine), "request_id": request_id}
    ((key, ce_id, event),) = await published(topics, str(mine))
    assert key == b"c1"
    assert ce_id == str(event_id(request_key("default", mine), FeedbackGiven.ce_type))
    assert (event.tenant_id, event.user_id, event.kind, event.name) == ("default", "alice", "user", "rating")
    assert event.millionths == 1_000_000
    assert abs(event.given_at - datetime.now(UTC)) < timedelta(minutes=1)


async def test_a_conversation_as_a_whole_may_be_scored(
    gateway: Process, http: aiohttp.ClientSession, topics: KafkaSettings
) -> None:
    mine = str(uuid4())
    body = {"conversation_id": "c1", "value": 0.5, "feedback_id": mine}
    async with http.post(f"{gateway.url}/api/v1/chat/feedback", json=body) as response:
        assert response.status == 202
        assert await response.json() == {"feedback_id": mine, "request_id": None}
    ((key, _, event),) = await published(topics, mine)
    assert (key, event.request_id, event.conversation_id) == (b"c1", None, "c1")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"value": 1.01}, "/value"),
        ({"value": "0.5"}, "/value"),
        ({"thumbs": "up", "value": 1}, ""),
        ({}, ""),
        ({"value": 1, "name": "No Spaces"}, "/name"),
        ({"value": 1, "comment": "x" * 4001}, "/comment"),
        ({"value": 1, "tenant_id": "another"}, "/tenant_id"),
        ({"value": 1, "request_id": "r"}, "/request_id"),
        ({"value": 1, "request_id": None}, ""),
        ({"value": 1, "given_at": "2099-01-01T00:00:00Z"}, "/given_at"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_field(
    gateway: Process, http: aiohttp.ClientSession, change: dict[str, object], pointer: str
) -> None:
    body = {"request_id": str(uuid4()), **change}
    async with http.post(f"{gateway.url}/api/v1/chat/feedback", json=body) as response:
        assert response.status == 422
        assert [error["pointer"] for error in (await response.json())["errors"]] == [pointer]


async def test_two_names_for_one_feedback_are_refused(gateway: Process, http: aiohttp.ClientSession) -> None:
    body = {"request_id": str(uuid4()), "value": 1, "feedback_id": str(uuid4())}
    headers = {"idempotency-key": str(uuid4())}
    async with http.post(f"{gateway.url}/api/v1/chat/feedback", json=body, headers=headers) as response:
        assert response.status == 400
