"""`/api/v1/chat/…`: send a request, stream its events, resume them, ask how it is doing."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Request, Response

from observatory.adapters.answer_records import Heard, Position
from observatory.adapters.answers import AnswerListener
from observatory.adapters.postgres.app import Requests
from schemas.chat import ChatCompleted, ChatFailed
from schemas.http import Accepted, AttemptView, ChatOptions, RequestView, SendChat
from workers.gateway.access import Access
from workers.gateway.api_bodies import Asker, body_of, described, headers_of
from workers.gateway.bodies import Headers
from workers.gateway.database import Database
from workers.gateway.intake import Ask, Intake, refusing_while_away, stored
from workers.gateway.openai_request import ask_of, request_id_of
from workers.gateway.refusals import invalid, refusal_of
from workers.gateway.resuming import Resuming
from workers.gateway.sse import EventStream, as_bytes, first_id
from workers.gateway.tracing import span_in

STATUS_PATH = "/api/v1/chat/requests/"
EVENTS: dict[int | str, dict[str, object]] = {
    200: {
        "description": "chat.delta, chat.restarted, chat.completed and chat.failed; the ids are Kafka positions",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


class ChatDesk:
    """Answers a request in the way that its client asked for: its outcome, a stream of events, or at once."""

    def __init__(self, intake: Intake, listener: AnswerListener, resuming: Resuming) -> None:
        self._intake, self._listener, self._resuming = intake, listener, resuming

    async def send(self, ask: Ask, headers: Headers) -> Response:
        """The outcome, or 202 when the client prefers not to wait. Raises `Refusal`."""
        if wants_async(headers):
            return await self._accept(ask)
        outcome = await self._intake.answer(ask)
        if isinstance(outcome, ChatFailed):
            raise refusal_of(outcome)
        named = {"x-observatory-request-id": ask.request_id}
        return Response(outcome.to_json(), media_type="application/json", headers=named)

    def stream(self, ask: Ask, headers: Headers) -> EventStream:
        """The events of the request; with `Last-Event-ID` from there on, and nothing is sent again."""
        after = position_in(headers)
        if after is None:
            return EventStream(ask.request_id, lambda: self._published(ask))
        if not ask.named:
            raise invalid("Last-Event-ID needs the request_id (or Idempotency-Key) of the stream", "Last-Event-ID")
        request = ask.request
        return self.resume(request.tenant_id, request.request_id, after, self._intake.patience_s(request))

    def resume(self, tenant_id: str, request_id: UUID, after: Position | None, patience_s: float) -> EventStream:
        """The events of a request that was sent before."""
        events = self._resuming.events(tenant_id, request_id, after, patience_s)
        return EventStream(str(request_id), lambda: as_bytes(events))

    async def _accept(self, ask: Ask) -> Response:
        if await self._intake.known(ask) is None:
            await self._intake.publish(ask)
        status_url = STATUS_PATH + ask.request_id
        body = Accepted(request_id=ask.request.request_id, status_url=status_url, events_url=status_url + "/events")
        headers = {"location": status_url, "preference-applied": "respond-async"}
        return Response(body.model_dump_json(), 202, headers, "application/json")

    async def _published(self, ask: Ask) -> AsyncGenerator[bytes, None]:
        request, request_id = ask.request, ask.request_id
        with refusing_while_away(), self._listener.follow(request.tenant_id, request_id) as answers:
            known = await self._intake.known(ask)
            before = self._listener.before_next(ask.key)
            if known is None:
                await self._intake.publish(ask)
                yield first_id(before)
                patience_s = self._intake.patience_s(request)
                events = self._intake.events(answers, request_id, patience_s, lambda: self._intake.look_up(ask))
            else:
                events = _only(stored(known))
            async with aclosing(as_bytes(events)) as parts:
                async for part in parts:
                    yield part


def wants_async(headers: Headers) -> bool:
    """Whether the client prefers 202 to waiting (RFC 7240)."""
    return b"respond-async" in headers.get(b"prefer", b"").lower().replace(b" ", b"").split(b",")


def wants_events(headers: Headers) -> bool:
    """Whether the client asked for server-sent events."""
    return b"text/event-stream" in headers.get(b"accept", b"").lower()


def position_in(headers: Headers) -> Position | None:
    """The `Last-Event-ID`. Raises `Refusal` 400 when it is none of ours."""
    text = headers.get(b"last-event-id", b"").decode("latin-1")
    try:
        return Position.parse(text) if text else None
    except ValueError as error:
        raise invalid(str(error), "Last-Event-ID") from error


def ask_for(options: ChatOptions, access: Access, request: Request, **more: object) -> Ask:
    """What a `request` under `/api` asks, as one to publish; `more` are fields of the event that its body has not.

    Raises `Refusal` 400 when two different ids are given.
    """
    request_id, named = request_id_of(headers_of(request))
    if options.request_id is not None:
        if named and request_id != options.request_id:
            raise invalid("request_id and Idempotency-Key name different requests", "request_id")
        request_id, named = options.request_id, True
    event = orjson.loads(options.model_dump_json(exclude_none=True))
    event |= {"tenant_id": access.tenant_id, "request_id": str(request_id), **more}
    if access.api_key_id is not None:
        event["api_key_id"] = access.api_key_id
    return ask_of(event, named, span_in(request.scope))


async def _only(heard: Heard) -> AsyncGenerator[list[Heard], None]:
    yield [heard]


def chat_router(desk: ChatDesk, database: Database, patience_s: float) -> APIRouter:
    """The endpoints. `patience_s`: how long a resumed stream may be silent, in seconds."""
    router = APIRouter(prefix="/api/v1/chat", tags=["chat"])
    send_body = Annotated[SendChat, Depends(body_of(SendChat))]

    @router.post("/send", openapi_extra=described(SendChat), responses={200: {"model": ChatCompleted}})
    async def send(request: Request, access: Asker, body: send_body) -> Response:
        """Sends a request and waits for its outcome; with `Prefer: respond-async` answers 202 at once."""
        return await desk.send(ask_for(body, access, request), headers_of(request))

    @router.post("/stream", openapi_extra=described(SendChat), responses=EVENTS)
    async def stream(request: Request, access: Asker, body: send_body) -> Response:
        """Sends a request and streams its events; with `Last-Event-ID` resumes a stream instead."""
        return desk.stream(ask_for(body, access, request, stream=True), headers_of(request))

    @router.get("/requests/{request_id}")
    async def status(access: Asker, request_id: UUID) -> RequestView:
        """How a request is doing, with its attempts and its outcome."""
        return await _view(database, access.tenant_id, request_id)

    @router.get("/requests/{request_id}/events", responses=EVENTS)
    async def events(request: Request, access: Asker, request_id: UUID) -> Response:
        """The events of a request: behind `Last-Event-ID`, else from the beginning."""
        return desk.resume(access.tenant_id, request_id, position_in(headers_of(request)), patience_s)

    return router


async def _view(database: Database, tenant_id: str, request_id: UUID) -> RequestView:
    state = await database.run_or_refuse(lambda pool: Requests(pool).state(tenant_id, request_id))
    if state is None:
        return RequestView(request_id=request_id, state="unknown")
    attempts = await database.run_or_refuse(lambda pool: Requests(pool).attempts(tenant_id, request_id))
    return RequestView(
        request_id=request_id,
        state=state.state,
        conversation_id=state.conversation_id,
        published_at=state.published_at,
        claimed_at=state.claimed_at,
        finished_at=state.finished_at,
        attempts=[AttemptView(**asdict(attempt)) for attempt in attempts],
        outcome=orjson.loads(state.outcome) if state.outcome else None,
    )
