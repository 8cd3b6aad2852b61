"""Publish, subscribe and dead letters, on a real broker."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import orjson

from observatory.adapters.dead_letters import letters
from observatory.adapters.kafka import Publisher, Record, new_producer, read_event, topic_name
from observatory.cli.following import follow
from schemas.chat import ChatDelta, ChatError, ChatFailed, ChatRequested, ChatRestarted
from schemas.envelope import event_id, request_key
from schemas.topics import CHAT_REQUESTS, CHAT_RESPONSES
from tests.observatory.cli.conftest import Cli
from tests.observatory.cli.world import TENANT, World
from tests.streams.ledger.ground import Ground

GOOD = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}


async def records_of(ground: Ground, topic: str) -> list[Record]:
    found: list[Record] = []
    async with follow(ground.settings.kafka, topic, "beginning") as follower:
        async for records in follower.up_to_now():
            found += records
    return found


async def test_published_lines_are_on_the_topic_as_cloud_events_under_their_key(ground: Ground, cli: Cli) -> None:
    lines = [orjson.dumps({**GOOD, "conversation_id": "c1"}), b"nope", orjson.dumps(GOOD)]
    ran = await cli("publish", "--json", stdin=b"\n".join(lines))
    assert ran.code == 1, "a line was bad"
    shown = [line for line in ran.lines() if isinstance(line, dict)]
    assert [line["line"] for line in shown if "error" in line] == [2]
    ids = {UUID(line["request_id"]) for line in shown if "request_id" in line}
    records = await records_of(ground, topic_name(ground.settings.kafka, CHAT_REQUESTS))
    read = [(record, *read_event(record, ChatRequested)) for record in records]
    mine = [(record, envelope, event) for record, envelope, event in read if event.request_id in ids]
    assert len(mine) == 2
    for record, envelope, event in mine:
        assert record.key == (event.conversation_id or str(event.request_id)).encode()
        assert envelope.ce_id == str(event_id(request_key(TENANT, event.request_id), ChatRequested.ce_type))


async def test_nobody_who_answers_in_time_is_a_failure_that_names_the_requests(cli: Cli) -> None:
    ran = await cli("publish", "Hello", "--count", "2", "--wait", "--timeout", "1s")
    assert ran.code == 1
    assert "no answer within 1s to 2" in ran.stderr


async def test_a_followed_request_is_shown_by_the_subscribers_rules(ground: Ground, cli: Cli) -> None:
    request_id = uuid4()
    publisher = Publisher(ground.settings.kafka, "test")
    await publisher.start()

    async def say(event: ChatDelta | ChatRestarted | ChatFailed, *parts: int) -> None:
        ce_id = event_id(request_key(TENANT, request_id), event.ce_type, *parts)
        await (await publisher.publish(CHAT_RESPONSES, str(request_id), event, ce_id))

    first = ChatDelta(request_id=request_id, attempt=1, seq=0, text="void")
    second = ChatDelta(request_id=request_id, attempt=2, seq=0, text="good")
    error = ChatError(code="provider_error", message="gone", retryable=True)
    failed = ChatFailed(request_id=request_id, error=error, attempts=2, failed_at=datetime(2026, 1, 1, tzinfo=UTC))
    await say(first, 1, 0)
    await say(ChatRestarted(request_id=request_id, attempt=2, reason="cut"), 2)
    await say(second, 2, 0)
    await say(second, 2, 0)
    await say(first.model_copy(update={"seq": 1}), 1, 1)
    await say(failed)
    await publisher.stop()
    ran = await cli("subscribe", "--request", str(request_id), "--timeout", "20s", "--json")
    assert ran.code == 1, "the request failed"
    types = [line["ce_type"] for line in ran.lines() if isinstance(line, dict)]
    assert types == ["chat.delta.v1", "chat.restarted.v1", "chat.delta.v1", "chat.failed.v1"]
    ran = await cli("subscribe", "--request", str(request_id), "--timeout", "20s")
    assert "good" in ran.stdout
    assert "provider_error: gone" in ran.stdout


async def test_an_unanswered_request_ends_with_the_time_and_code_1(cli: Cli) -> None:
    ran = await cli("subscribe", "--request", str(uuid4()), "--timeout", "1s")
    assert ran.code == 1
    assert "no outcome" in ran.stderr


async def test_dead_letters_go_back_as_they_came_and_only_once(world: World, cli: Cli) -> None:
    kafka = world.ground.settings.kafka
    source = topic_name(kafka, CHAT_REQUESTS)
    marker = uuid4().bytes
    producer = new_producer(kafka, "test")
    await producer.start()
    await producer.send_and_wait(source, b"\xff not json", key=marker, headers=[("mine", b"\x00\x01")])
    await producer.stop()
    (bad,) = [record for record in await records_of(world.ground, source) if record.key == marker]
    publisher = Publisher(kafka, "test")
    await publisher.start()
    await publisher.dead_letter(CHAT_REQUESTS, bad, "no JSON")
    await publisher.stop()

    listed = (await cli("dlq", "list", "--json")).json()
    assert isinstance(listed, list)
    assert listed[0] == {"topic": "chat.requests", "records": 1, "waiting": 1, "reasons": {"no JSON": 1}}
    assert (await cli("dlq", "retry", "chat.requests", "--dry-run", "--json")).answer()["sent"] == 0
    assert (await cli("dlq", "retry", "chat.requests", "--json")).answer()["sent"] == 1
    assert (await cli("dlq", "retry", "chat.requests", "--json")).answer()["sent"] == 0
    assert (await cli("dlq", "retry", "chat.requests", "--again", "--json")).answer()["sent"] == 1

    copies = [record for record in await records_of(world.ground, source) if record.key == marker]
    assert [(copy.value, tuple(copy.headers)) for copy in copies] == [(bad.value, tuple(bad.headers))] * 3
    (letter,) = [letter async for letter in letters(kafka, CHAT_REQUESTS)]
    assert (letter.source_topic, letter.source_offset) == (source, bad.offset)


async def test_keys_are_shown_once_listed_and_revoked(cli: Cli) -> None:
    created = (await cli("keys", "create", "--tenant", "acme", "--name", "shop", "--json")).answer()
    listed = (await cli("keys", "list", "--json")).json()
    assert isinstance(listed, list)
    assert [(key["key_id"], key["tenant_id"]) for key in listed] == [(created["key_id"], "acme")]
    assert str(created["key"]) not in str(listed)
    assert (await cli("keys", "revoke", str(created["key_id"]))).code == 0
    assert (await cli("keys", "revoke", str(created["key_id"]))).code == 1
