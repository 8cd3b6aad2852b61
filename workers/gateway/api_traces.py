"""`/api/v1/traces`: find traces, look at one. A key sees its own tenant's only."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from observatory.adapters.postgres.traces import StoredTrace, TraceFilter, Traces
from observatory.adapters.trace_views import detail_of, view_of
from schemas.http_analytics import AnalyticsAnswer
from schemas.http_traces import SpanParameters, TraceDetail, TraceParameters, TraceView
from workers.gateway.access import Access
from workers.gateway.analytics_answers import csv_answer, json_answer, one_by_one, wants_csv
from workers.gateway.analytics_desk import AnalyticsDesk
from workers.gateway.analytics_query import Asked, Position, asked, described_query, parameters_of, tenant_of
from workers.gateway.api_bodies import Asker, decode_cursor, encode_cursor, number_in
from workers.gateway.refusals import invalid, not_found

DEFAULT_TRACES = 50
TraceName = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]


def traces_router(desk: AnalyticsDesk) -> APIRouter:
    """The endpoints."""
    router = APIRouter(prefix="/api/v1/traces", tags=["traces"])
    query = Annotated[TraceParameters, Depends(parameters_of(TraceParameters))]
    span_query = Annotated[SpanParameters, Depends(parameters_of(SpanParameters))]

    @router.get(
        "", openapi_extra=described_query(TraceParameters), responses={200: {"model": AnalyticsAnswer[TraceView]}}
    )
    async def page(request: Request, access: Asker, parameters: query) -> Response:
        """Traces that began within the period, latest first."""
        question = asked(request, parameters, access)
        limit = parameters.limit or DEFAULT_TRACES
        wanted = _filter(parameters, question, _tenant(access, parameters.tenant))
        after = _after(question.after)
        # Asked first: what comes in between is in the answer and beyond what it promises.
        watermark = await desk.read(lambda pool: Traces(pool).until())
        found = await desk.read(lambda pool: Traces(pool).page(wanted, after, limit + 1))
        last = found[limit - 1].trace if len(found) > limit else None
        following = question.next(last.sums.start_us, last.trace_id) if last else None
        rows = [view_of(stored) for stored in found[:limit]]
        if wants_csv(request, parameters):
            return csv_answer(TraceView, question.period, watermark, one_by_one(rows), following=following)
        return json_answer(TraceView, question.period, watermark, rows, following)

    @router.get("/{trace_id}", openapi_extra=described_query(SpanParameters))
    async def get(access: Asker, trace_id: TraceName, parameters: span_query) -> TraceDetail:
        """One trace with its shape and its spans; `limit` and `cursor` are of the spans."""
        limit, after = parameters.limit, None
        if parameters.cursor is not None:
            started_ns, span_id = decode_cursor(parameters.cursor, 2)
            after = (number_in(started_ns[:-3]) * 1000 + number_in(started_ns[-3:]), span_id)
        tenant = _tenant(access, parameters.tenant)
        stored = await _one(desk, tenant, trace_id)
        watermark = await desk.read(lambda pool: Traces(pool).until())
        spans = await desk.read(lambda pool: Traces(pool).spans(stored.trace, after, limit + 1))
        linked = await desk.read(lambda pool: Traces(pool).linked(stored.trace))
        last = spans[limit - 1] if len(spans) > limit else None
        following = encode_cursor(str(last.start_ns), last.span_id) if last else None
        return detail_of(stored, spans[:limit], linked, watermark, following)

    return router


def _tenant(access: Access, wanted: str | None) -> str | None:
    """Whose traces are asked for; None: everybody's. Raises `Refusal` 403."""
    tenants = tenant_of(access, [] if wanted is None else [wanted])
    return tenants[0] if tenants else None


async def _one(desk: AnalyticsDesk, tenant: str | None, trace_id: str) -> StoredTrace:
    found = await desk.read(lambda pool: Traces(pool).get(tenant, trace_id))
    if not found:
        raise not_found(f"there is no trace {trace_id}, or nothing of it has come yet")
    return found[0]


def _filter(parameters: TraceParameters, question: Asked, tenant: str | None) -> TraceFilter:
    shortest = parameters.min_duration_ms
    return TraceFilter(
        tenant=tenant,
        start=question.period.start,
        end=question.period.end,
        conversation=parameters.conversation,
        user=parameters.user,
        model=parameters.model,
        min_cost_usd=parameters.min_cost_usd,
        min_duration_us=None if shortest is None else round(shortest * 1000),
        error=parameters.error,
    )


def _after(position: Position | None) -> tuple[int, str] | None:
    if position is None:
        return None
    match list(position):
        case [int(start_us), str(trace_id)]:
            return start_us, trace_id
    raise invalid("the cursor is not one that a page of this list gave", "cursor")
