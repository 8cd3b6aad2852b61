"""`/api/v1/conversations/…`: create and list conversations, read their history, post the next message."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Annotated
from urllib.parse import quote
from uuid import uuid4

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request, Response

from observatory.adapters.postgres.app import Conversation, Conversations, Turn
from observatory.rules.limits import DEFAULT_PAGE, MAX_PAGE
from schemas.base import MAX_NAME_LENGTH
from schemas.chat import ChatCompleted
from schemas.http import (
    ConversationPage,
    ConversationView,
    CreateConversation,
    HistoryMessage,
    HistoryPage,
    PostMessage,
)
from workers.gateway.access import Access
from workers.gateway.api_bodies import (
    Asker,
    body_of,
    decode_cursor,
    described,
    encode_cursor,
    headers_of,
    number_in,
    time_in,
)
from workers.gateway.api_chat import ChatDesk, ask_for, wants_events
from workers.gateway.database import Database
from workers.gateway.intake import Ask
from workers.gateway.refusals import Refusal, not_found

ConversationId = Annotated[str, Path(min_length=1, max_length=MAX_NAME_LENGTH, pattern=r"^[^\x00]*$")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]


class ConversationStore:
    """Conversations for clients that wait: 503 while the database is away, 404 for what is not there."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, tenant_id: str, body: CreateConversation) -> ConversationView:
        """Raises `Refusal` 409 when there is one of that id."""
        conversation_id = body.conversation_id or str(uuid4())
        made = await self._database.run_or_refuse(
            lambda pool: Conversations(pool).create(tenant_id, conversation_id, body.title, body.user_id)
        )
        if made is None:
            raise Refusal(
                409, "conversation_exists", f"there is a conversation {conversation_id!r} already", final=True
            )
        return _view(made)

    async def get(self, tenant_id: str, conversation_id: str) -> ConversationView:
        """Raises `Refusal` 404."""
        found = await self._database.run_or_refuse(lambda pool: Conversations(pool).get(tenant_id, conversation_id))
        if found is None:
            raise _unknown(conversation_id)
        return _view(found)

    async def touch(self, tenant_id: str, conversation_id: str) -> None:
        """Marks it as used now. Raises `Refusal` 404."""
        if not await self._database.run_or_refuse(lambda pool: Conversations(pool).touch(tenant_id, conversation_id)):
            raise _unknown(conversation_id)

    async def page(self, tenant_id: str, cursor: str | None, limit: int) -> ConversationPage:
        """Latest first."""
        after = None
        if cursor is not None:
            updated_at, conversation_id = decode_cursor(cursor, 2)
            after = (time_in(updated_at), conversation_id)
        rows = await self._database.run_or_refuse(lambda pool: Conversations(pool).page(tenant_id, after, limit + 1))
        last = rows[limit - 1] if len(rows) > limit else None
        following = encode_cursor(last.updated_at.isoformat(), last.conversation_id) if last else None
        return ConversationPage(conversations=[_view(row) for row in rows[:limit]], next_cursor=following)

    async def history(self, tenant_id: str, conversation_id: str, cursor: str | None, limit: int) -> HistoryPage:
        """Oldest first; `limit` counts turns. Raises `Refusal` 404."""
        await self.get(tenant_id, conversation_id)
        after = number_in(*decode_cursor(cursor, 1)) if cursor is not None else 0
        turns = await self._database.run_or_refuse(
            lambda pool: Conversations(pool).turns(tenant_id, conversation_id, after, limit + 1)
        )
        following = encode_cursor(str(turns[limit - 1].turn)) if len(turns) > limit else None
        messages = list(_messages(turns[:limit]))
        return HistoryPage(conversation_id=conversation_id, messages=messages, next_cursor=following)


def _view(conversation: Conversation) -> ConversationView:
    return ConversationView(**asdict(conversation))


def _messages(turns: Sequence[Turn]) -> Iterator[HistoryMessage]:
    for turn in turns:
        for message in orjson.loads(turn.messages):
            yield HistoryMessage(
                turn=turn.turn, request_id=turn.request_id, created_at=turn.created_at, message=message
            )


def _unknown(conversation_id: str) -> Refusal:
    return not_found(f"there is no conversation {conversation_id!r}; create it with POST /api/v1/conversations")


def _ask(body: PostMessage, access: Access, request: Request, conversation_id: str, *, stream: bool) -> Ask:
    messages = [{"role": "user", "content": body.content}]
    more = {"conversation_id": conversation_id, "use_history": True, "messages": messages, "stream": stream}
    return ask_for(body, access, request, **more)


def conversations_router(store: ConversationStore, desk: ChatDesk) -> APIRouter:
    """The endpoints."""
    router = APIRouter(prefix="/api/v1", tags=["conversations"])
    create_body = Annotated[CreateConversation, Depends(body_of(CreateConversation))]
    message_body = Annotated[PostMessage, Depends(body_of(PostMessage))]

    @router.post("/conversations", status_code=201, openapi_extra=described(CreateConversation))
    async def create(access: Asker, body: create_body, response: Response) -> ConversationView:
        """Creates a conversation."""
        made = await store.create(access.tenant_id, body)
        response.headers["location"] = f"{router.prefix}/conversations/{quote(made.conversation_id, safe='')}"
        return made

    @router.get("/conversations")
    async def page(access: Asker, cursor: str | None = None, limit: Limit = DEFAULT_PAGE) -> ConversationPage:
        """Lists conversations, latest first."""
        return await store.page(access.tenant_id, cursor, limit)

    @router.get("/conversations/{conversation_id}")
    async def get(access: Asker, conversation_id: ConversationId) -> ConversationView:
        """One conversation."""
        return await store.get(access.tenant_id, conversation_id)

    @router.get("/conversations/{conversation_id}/messages")
    @router.get("/chat/history/{conversation_id}")
    async def history(
        access: Asker, conversation_id: ConversationId, cursor: str | None = None, limit: Limit = DEFAULT_PAGE
    ) -> HistoryPage:
        """What was said, oldest first; `limit` counts turns."""
        return await store.history(access.tenant_id, conversation_id, cursor, limit)

    @router.post(
        "/conversations/{conversation_id}/messages",
        openapi_extra=described(PostMessage),
        responses={200: {"model": ChatCompleted}},
    )
    async def post(request: Request, access: Asker, conversation_id: ConversationId, body: message_body) -> Response:
        """Asks with the whole conversation in view.

        Answers with the outcome; with its events when `stream` is true or `Accept: text/event-stream`; with 202 for
        `Prefer: respond-async`.
        """
        headers = headers_of(request)
        stream = body.stream or wants_events(headers)
        ask = _ask(body, access, request, conversation_id, stream=stream)
        await store.touch(access.tenant_id, conversation_id)
        return desk.stream(ask, headers) if stream else await desk.send(ask, headers)

    return router
