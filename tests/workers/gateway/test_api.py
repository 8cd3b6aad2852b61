"""`/api/v1`: conversations, sending, streams that any gateway resumes, and the state of a request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import pytest

from observatory.rules.idempotency import body_sha256
from schemas.chat import ChatRequested, Message
from tests.workers.gateway.conftest import Process
from tests.workers.gateway.responder import Responder, completed, deltas


@dataclass(frozen=True)
class Event:
    """One server-sent event."""

    id: str
    name: str
    data: str

    @property
    def text(self) -> str:
        body = json.loads(self.data)
        assert isinstance(body, dict)
        return str(body.get("text", ""))


async def events_of(response: aiohttp.ClientResponse) -> AsyncIterator[Event]:
    fields: dict[str, str] = {}
    async for raw in response.content:
        name, _, value = raw.decode().rstrip("\n").partition(": ")
        if name:
            fields[name] = value
        elif "data" in fields:
            yield Event(fields.get("id", ""), fields["event"], fields["data"])
            fields = {}


async def journal(
    database: asyncpg.Connection[asyncpg.Record], request: ChatRequested, outcome: str | None = None
) -> None:
    """What a worker writes about a request."""
    await database.execute(
        """INSERT INTO journal.requests (tenant_id, request_id, body_sha256, topic_partition, topic_offset, record_key,
             use_history, state, lease_until, published_at, outcome)
           VALUES ($1, $2, $3, 0, 0, $4, false, $5, now(), now() - interval '1 minute', $6)""",
        request.tenant_id,
        request.request_id,
        body_sha256(request),
        str(request.request_id),
        "completed" if outcome else "claimed",
        outcome,
    )


def chat(text: str, **fields: object) -> dict[str, object]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **fields}


async def test_send_answers_with_the_completed_event(
    gateway: Process, http: aiohttp.ClientSession, responder: Responder
) -> None:
    async with http.post(f"{gateway.url}/api/v1/chat/send", json=chat("text=Yes")) as response:
        answer = await response.json()
        assert response.status == 200
    assert answer["message"]["content"] == "Yes"
    assert answer["cost_usd"] == "0.00000325"


async def test_send_answers_a_failure_with_a_problem_document(
    gateway: Process, http: aiohttp.ClientSession, responder: Responder
) -> None:
    async with http.post(f"{gateway.url}/api/v1/chat/send", json=chat("fail=budget_exceeded")) as response:
        problem = await response.json(content_type="application/problem+json")
        assert response.status == 402
    assert problem["type"] == "urn:llm-observatory:problem:budget_exceeded"
    assert (problem["budget_id"], problem["limit_usd"], problem["left_usd"]) == ("b", "5", "0.000001")
    assert problem["resets_at"] == "2030-01-01T00:00:00Z"
    assert UUID(problem["request_id"])


async def test_a_client_that_does_not_wait_gets_202_and_finds_the_state(
    gateway: Process, http: aiohttp.ClientSession, responder: Responder, database: asyncpg.Connection[asyncpg.Record]
) -> None:
    headers = {"Prefer": "respond-async"}
    async with http.post(f"{gateway.url}/api/v1/chat/send", json=chat("silent"), headers=headers) as response:
        assert response.status == 202
        where = response.headers["location"]
    async with http.get(gateway.url + where) as response:
        assert (await response.json())["state"] == "unknown"
    request = await responder.heard(UUID(where.rpartition("/")[2]))
    await journal(database, request, completed(request, "done").to_json().decode())
    async with http.get(gateway.url + where) as response:
        state = await response.json()
    assert state["state"] == "completed"
    assert state["outcome"]["message"]["content"] == "done"


async def test_a_stream_gives_every_event_with_its_position(
    gateway: Process, http: aiohttp.ClientSession, responder: Responder
) -> None:
    async with http.post(f"{gateway.url}/api/v1/chat/stream", json=chat("text=abcd ; pieces=4")) as response:
        events = [event async for event in events_of(response)]
    assert [event.name for event in events] == ["chat.delta"] * 4 + ["chat.completed"]
    assert "".join(event.text for event in events) == "abcd"
    assert len({event.id for event in events}) == 5


async def test_another_gateway_resumes_a_stream_in_the_middle(
    gateway: Process, second_gateway: Process, http: aiohttp.ClientSession, responder: Responder
) -> None:
    request_id = uuid4()
    body = chat("silent", request_id=str(request_id))
    async with http.post(f"{gateway.url}/api/v1/chat/stream", json=body) as response:
        request = await responder.heard(request_id)
        pieces = list(deltas(request, 1, "abcd", 4))
        for piece in pieces[:2]:
            await responder.send(piece)
        stream = events_of(response)
        first = await anext(stream)
    assert first.text == "a"
    await responder.send(pieces[2])
    url = f"{second_gateway.url}/api/v1/chat/requests/{request_id}/events"
    async with http.get(url, headers={"Last-Event-ID": first.id}) as response:
        resumed = events_of(response)
        seen = [await anext(resumed), await anext(resumed)]
        await responder.send(pieces[3])
        await responder.send(completed(request, "abcd"))
        seen += [event async for event in resumed]
    assert "".join(event.text for event in seen) == "bcd"
    assert seen[-1].name == "chat.completed"
    async with http.get(url, headers={"Last-Event-ID": seen[-1].id}) as response:
        assert response.status == 204


async def test_a_stream_sent_again_with_its_last_id_is_resumed_not_repeated(
    second_gateway: Process, http: aiohttp.ClientSession, responder: Responder
) -> None:
    body = chat("text=abcd ; pieces=4", request_id=str(uuid4()))
    url = f"{second_gateway.url}/api/v1/chat/stream"
    async with http.post(url, json=body) as response:
        events = [event async for event in events_of(response)]
    asked = len(responder.requests)
    async with http.post(url, json=body, headers={"Last-Event-ID": events[1].id}) as response:
        assert [event async for event in events_of(response)] == events[2:]
    assert len(responder.requests) == asked


async def test_the_events_of_a_known_request_come_from_the_beginning(
    second_gateway: Process,
    http: aiohttp.ClientSession,
    responder: Responder,
    database: asyncpg.Connection[asyncpg.Record],
) -> None:
    request_id = uuid4()
    body = chat("text=abcd ; pieces=4", request_id=str(request_id))
    async with http.post(f"{second_gateway.url}/api/v1/chat/stream", json=body) as response:
        events = [event async for event in events_of(response)]
    await journal(database, await responder.heard(request_id))
    async with http.get(f"{second_gateway.url}/api/v1/chat/requests/{request_id}/events") as response:
        assert [event async for event in events_of(response)] == events


async def test_a_request_sent_again_is_answered_from_the_journal(
    gateway: Process, http: aiohttp.ClientSession, responder: Responder, database: asyncpg.Connection[asyncpg.Record]
) -> None:
    request_id = uuid4()
    body = chat("text=first", request_id=str(request_id))
    async with http.post(f"{gateway.url}/api/v1/chat/send", json=body):
        pass
    request = await responder.heard(request_id)
    await journal(database, request, completed(request, "as stored").to_json().decode())
    asked = len(responder.requests)
    async with http.post(f"{gateway.url}/api/v1/chat/send", json=body) as response:
        assert (await response.json())["message"]["content"] == "as stored"
    assert len(responder.requests) == asked


@pytest.mark.parametrize("path", ["/api/v1/chat/send", "/api/v1/chat/stream", "/v1/chat/completions"])
async def test_another_body_under_the_same_key_is_409(
    gateway: Process,
    http: aiohttp.ClientSession,
    responder: Responder,
    database: asyncpg.Connection[asyncpg.Record],
    path: str,
) -> None:
    request_id = uuid4()
    headers = {"Idempotency-Key": str(request_id)}
    async with http.post(gateway.url + path, json=chat("text=first"), headers=headers):
        pass
    await journal(database, await responder.heard(request_id))
    async with http.post(gateway.url + path, json=chat("text=second"), headers=headers) as response:
        assert response.status == 409
        assert "idempotency_conflict" in await response.text()


async def test_a_conflict_that_shows_only_while_waiting_is_409_too(
    gateway: Process, http: aiohttp.ClientSession, responder: Responder, database: asyncpg.Connection[asyncpg.Record]
) -> None:
    request_id = uuid4()
    other = ChatRequested(request_id=request_id, model="m", messages=[Message(role="user", content="another")])

    async def ask() -> int:
        headers = {"Idempotency-Key": str(request_id)}
        async with http.post(f"{gateway.url}/v1/chat/completions", json=chat("silent"), headers=headers) as response:
            return response.status

    asking = asyncio.create_task(ask())
    await responder.heard(request_id)
    await journal(database, other)
    assert await asking == 409


async def test_conversations_are_listed_latest_first_page_by_page(
    gateway: Process, http: aiohttp.ClientSession
) -> None:
    made = []
    for number in range(3):
        async with http.post(f"{gateway.url}/api/v1/conversations", json={"title": f"talk {number}"}) as response:
            assert response.status == 201
            made.append((await response.json())["conversation_id"])
    seen: list[str] = []
    cursor: str | None = None
    while len(seen) < 3:
        parameters = {"limit": "1"} | ({"cursor": cursor} if cursor else {})
        async with http.get(f"{gateway.url}/api/v1/conversations", params=parameters) as response:
            page = await response.json()
        seen += [row["conversation_id"] for row in page["conversations"]]
        cursor = page["next_cursor"]
    assert seen == made[::-1]


async def test_a_conversation_is_created_once(gateway: Process, http: aiohttp.ClientSession) -> None:
    name = f"talk/{uuid4()}"
    statuses = []
    for _ in range(2):
        async with http.post(f"{gateway.url}/api/v1/conversations", json={"conversation_id": name}) as response:
            statuses.append(response.status)
    assert statuses == [201, 409]


async def test_a_posted_message_asks_with_the_history(
    gateway: Process, http: aiohttp.ClientSession, responder: Responder
) -> None:
    name = str(uuid4())
    async with http.post(f"{gateway.url}/api/v1/conversations", json={"conversation_id": name}):
        pass
    message = {"model": "m", "content": "text=Welcome", "request_id": str(uuid4())}
    async with http.post(f"{gateway.url}/api/v1/conversations/{name}/messages", json=message) as response:
        assert (await response.json())["message"]["content"] == "Welcome"
    request = await responder.heard(UUID(message["request_id"]))
    assert (request.use_history, request.conversation_id) == (True, name)


async def test_a_message_is_streamed_to_whoever_accepts_events(
    gateway: Process, http: aiohttp.ClientSession, responder: Responder
) -> None:
    name = str(uuid4())
    async with http.post(f"{gateway.url}/api/v1/conversations", json={"conversation_id": name}):
        pass
    url = f"{gateway.url}/api/v1/conversations/{name}/messages"
    headers = {"Accept": "text/event-stream"}
    async with http.post(url, json={"model": "m", "content": "text=abc"}, headers=headers) as response:
        assert [event.name async for event in events_of(response)][-1] == "chat.completed"


@pytest.mark.parametrize("path", ["conversations/{}/messages", "chat/history/{}"])
async def test_history_shows_the_turns_in_order(
    gateway: Process, http: aiohttp.ClientSession, database: asyncpg.Connection[asyncpg.Record], path: str
) -> None:
    name = str(uuid4())
    async with http.post(f"{gateway.url}/api/v1/conversations", json={"conversation_id": name}):
        pass
    for number in range(3):
        turn = [{"role": "user", "content": f"q{number}"}, {"role": "assistant", "content": f"a{number}"}]
        statement = "INSERT INTO app.turns (tenant_id, conversation_id, request_id, messages) VALUES ($1, $2, $3, $4)"
        await database.execute(statement, "default", name, uuid4(), json.dumps(turn))
    url = f"{gateway.url}/api/v1/{path.format(name)}"
    async with http.get(url, params={"limit": "2"}) as response:
        first = await response.json()
    async with http.get(url, params={"cursor": first["next_cursor"]}) as response:
        second = await response.json()
    said = [message["message"]["content"] for message in first["messages"] + second["messages"]]
    assert said == ["q0", "a0", "q1", "a1", "q2", "a2"]
    assert second["next_cursor"] is None


async def test_an_unknown_conversation_is_404(gateway: Process, http: aiohttp.ClientSession) -> None:
    url = f"{gateway.url}/api/v1/conversations/nobody"
    async with http.get(url) as response:
        assert response.status == 404
    async with http.get(f"{url}/messages") as response:
        assert response.status == 404
    async with http.post(f"{url}/messages", json={"model": "m", "content": "x"}) as response:
        assert response.status == 404


async def test_health_metrics_and_the_openapi_document(gateway: Process, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{gateway.url}/healthz") as response:
        assert (await response.json()) | {"waiting": 0} == {"ok": True, "kafka": "ok", "database": "ok", "waiting": 0}
    async with http.get(f"{gateway.url}/metrics") as response:
        assert "observatory_gateway_requests_total" in await response.text()
    async with http.get(f"{gateway.url}/openapi.json") as response:
        document = await response.json()
    body = document["paths"]["/api/v1/chat/send"]["post"]["requestBody"]
    assert body["content"]["application/json"]["schema"]["$ref"] == "#/components/schemas/SendChat"
    assert "messages" in document["components"]["schemas"]["SendChat"]["properties"]
