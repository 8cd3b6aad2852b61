"""`/api/v1/analytics/conversations/{conversation_id}`: one conversation turn by turn, with every attempt."""

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path

from observatory.adapters.postgres.turns import Place, StoredTurn, read_conversation, read_turns
from schemas.base import MAX_NAME_LENGTH
from schemas.http_turns import ConversationTurns, TurnParameters, TurnView
from workers.gateway.analytics_desk import AnalyticsDesk
from workers.gateway.analytics_query import described_query, only_tenant, parameters_of
from workers.gateway.api_bodies import Asker, decode_cursor, encode_cursor, time_in
from workers.gateway.api_calls import view_of
from workers.gateway.refusals import invalid, not_found

ConversationName = Annotated[str, Path(min_length=1, max_length=MAX_NAME_LENGTH, pattern=r"^[^\x00]*$")]


def turns_router(desk: AnalyticsDesk) -> APIRouter:
    """The endpoint."""
    router = APIRouter(prefix="/api/v1/analytics", tags=["analytics"])
    query = Annotated[TurnParameters, Depends(parameters_of(TurnParameters))]

    @router.get("/conversations/{conversation_id:path}", openapi_extra=described_query(TurnParameters))
    async def turns(access: Asker, conversation_id: ConversationName, parameters: query) -> ConversationTurns:
        """One conversation, whenever it was; `limit` and `cursor` are of its turns."""
        tenant, limit = only_tenant(access, parameters.tenant), parameters.limit
        after = None if parameters.cursor is None else _place(parameters.cursor)
        watermark, known = await desk.in_snapshot(
            lambda connection: read_conversation(connection, conversation_id, tenant)
        )
        if known is None:
            raise not_found(
                f"there is no call of the conversation {conversation_id!r}, or the ledger has read none yet"
            )
        sums, span = known
        _, found = await desk.in_snapshot(
            lambda connection: read_turns(connection, conversation_id, tenant, span, after, limit + 1)
        )
        last = found[limit - 1].place if len(found) > limit else None
        return ConversationTurns(
            conversation_id=conversation_id,
            **asdict(sums),
            rows=[_turn(each) for each in found[:limit]],
            watermark=watermark,
            next=None if last is None else encode_cursor(last[0].isoformat(), str(last[1])),
        )

    return router


def _place(cursor: str) -> Place:
    moment, request = decode_cursor(cursor, 2)
    try:
        return time_in(moment), UUID(request)
    except ValueError:
        raise invalid("the cursor is not one that a page of this list gave", "cursor") from None


def _turn(turn: StoredTurn) -> TurnView:
    last = turn.calls[-1]
    began, request_id = turn.place
    return TurnView(
        request_id=request_id,
        tenant_id=last.tenant_id,
        user_id=last.user_id,
        started_at=began,
        status=last.status,
        cost_usd=turn.cost_usd,
        unpriced_calls=turn.unpriced_calls,
        calls=[view_of(each) for each in turn.calls],
    )
