"""`/api/v1/calls`: single calls, the latest, dearest or slowest first. A key sees its own tenant's only."""

from dataclasses import asdict
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from observatory.adapters.postgres.calls import (
    CallQuery,
    Position,
    StoredCall,
    calls_of_request,
    read_call,
    read_calls,
    trace_of,
)
from observatory.rules.call_sums import TOKENS
from observatory.rules.tracing import attempt_span_id
from schemas.http_analytics import AnalyticsAnswer
from schemas.http_calls import CallDetail, CallListParameters, CallOrder, CallView
from schemas.http_quality import TokenSums
from workers.gateway.analytics_answers import csv_answer, json_answer, one_by_one, wants_csv
from workers.gateway.analytics_desk import AnalyticsDesk
from workers.gateway.analytics_query import Position as Scalars
from workers.gateway.analytics_query import asked, described_query, only_tenant, parameters_of
from workers.gateway.analytics_questions import only
from workers.gateway.api_bodies import Asker, time_in
from workers.gateway.refusals import invalid, not_found

DEFAULT_CALLS = 50


def calls_router(desk: AnalyticsDesk) -> APIRouter:
    """The endpoints."""
    router = APIRouter(prefix="/api/v1/calls", tags=["calls"])
    query = Annotated[CallListParameters, Depends(parameters_of(CallListParameters))]

    @router.get(
        "", openapi_extra=described_query(CallListParameters), responses={200: {"model": AnalyticsAnswer[CallView]}}
    )
    async def page(request: Request, access: Asker, parameters: query) -> Response:
        """Calls that began within the period."""
        question = asked(request, parameters, access)
        limit = parameters.limit or DEFAULT_CALLS
        wanted = CallQuery(
            period=question.period,
            only=only(parameters, access),
            order=parameters.order,
            limit=limit + 1,
            after=None if question.after is None else _position(parameters.order, question.after),
        )
        watermark, found = await desk.in_snapshot(lambda connection: read_calls(connection, wanted))
        following = question.next(*_scalars(found[limit - 1][1])) if len(found) > limit else None
        rows = [view_of(call) for call, _ in found[:limit]]
        if wants_csv(request, parameters):
            return csv_answer(
                CallView, question.period, watermark, one_by_one(rows), leave_out=("tags",), following=following
            )
        return json_answer(CallView, question.period, watermark, rows, following)

    @router.get("/{call_id}")
    async def get(access: Asker, call_id: UUID) -> CallDetail:
        """One call with the others of its request."""
        tenant = only_tenant(access, None)
        watermark, found = await desk.in_snapshot(lambda connection: read_call(connection, call_id, tenant))
        if found is None:
            raise not_found(f"there is no call {call_id}, or the ledger has not read of it yet")
        _, attempts = await desk.in_snapshot(lambda connection: calls_of_request(connection, found))
        _, trace_id = await desk.in_snapshot(lambda connection: trace_of(connection, found))
        return CallDetail(
            call=view_of(found),
            attempts=[view_of(each) for each in attempts],
            trace_id=trace_id,
            span_id=None if trace_id is None else attempt_span_id(call_id),
            watermark=watermark,
        )

    return router


def view_of(call: StoredCall) -> CallView:
    """A call as clients get it."""
    known = asdict(call)
    tokens = TokenSums(**{name: known.pop(name) for name in TOKENS})
    return CallView(**known, tokens=tokens)


def _scalars(position: Position) -> tuple[str, str]:
    value, call_id = position
    return value.isoformat() if isinstance(value, datetime) else str(value), str(call_id)


def _position(order: CallOrder, after: Scalars) -> Position:
    try:
        text, call_id = map(str, after)
        identity = UUID(call_id)
        if order == "latest":
            return time_in(text), identity
        value = Decimal(text)
        if not value.is_finite():
            raise ValueError(text)
    except (ValueError, InvalidOperation):
        raise invalid("the cursor is not one that a page of this list gave", "cursor") from None
    if order == "latency":
        return float(value), identity
    return (int(value) if order == "tokens" else value), identity
