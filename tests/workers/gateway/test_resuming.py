"""A client that comes back to a gateway which has not read as far as the client has."""

from __future__ import annotations

from uuid import uuid4

from observatory.adapters.answer_records import Heard, Position
from observatory.adapters.answers import Answers
from observatory.adapters.replay import replay
from observatory.adapters.settings import KafkaSettings
from schemas.chat import ChatRequested
from tests.workers.gateway.responder import Responder, completed, deltas
from tests.workers.gateway.test_api import chat


def request() -> ChatRequested:
    return ChatRequested.model_validate(chat("silent") | {"request_id": uuid4(), "tenant_id": "default"})


def heard(asked: ChatRequested, place: Position) -> Heard:
    (delta,) = deltas(asked, 1, "a", 1)
    return Heard(delta, delta.to_json(), str(place), place)


async def test_what_the_client_has_seen_is_passed_over_when_it_comes_late() -> None:
    asked, after = request(), Position(3, 10)
    answers = Answers(after)
    seen = [heard(asked, Position(3, 9)), heard(asked, Position(3, 10))]
    new = [heard(asked, Position(3, 11)), heard(asked, Position(4, 5))]
    for one in [*seen, *new]:
        answers.put(one)
    assert await answers.next(timeout_s=1) == new


async def test_the_record_that_the_client_saw_last_is_read_again_wherever_the_gateway_stands(
    topics: KafkaSettings, responder: Responder
) -> None:
    asked = request()
    first = await responder.send(completed(asked, "done"))
    begin = Position(first.partition, first.offset)
    records = replay(topics, "test", asked.tenant_id, str(asked.request_id), begin, end=0)
    assert [one.position async for one in records] == [begin]


async def test_a_position_that_no_record_has_yet_is_not_waited_for(topics: KafkaSettings, responder: Responder) -> None:
    asked = request()
    first = await responder.send(completed(asked, "done"))
    begin = Position(first.partition, first.offset + 10**9)
    records = replay(topics, "test", asked.tenant_id, str(asked.request_id), begin, end=first.offset + 1)
    assert [one async for one in records] == []
