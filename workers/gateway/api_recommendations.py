"""`/api/v1/analytics/recommendations`: what could be saved, as the stream workers found it last."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from observatory.adapters.postgres.recommendations import PERIOD_DAYS, Found, Run, last_run, page
from observatory.rules.periods import Window
from observatory.rules.recommendations import advice
from schemas.http_analytics import DEFAULT_ROWS, MAX_ROWS, AnalyticsAnswer
from schemas.http_recommendations import RecommendationRow, RecommendationsParameters
from workers.gateway.analytics_answers import csv_answer, json_answer, one_by_one, wants_csv
from workers.gateway.analytics_desk import AnalyticsDesk
from workers.gateway.analytics_query import Position, asked, described_query, parameters_of, tenant_of, unfit
from workers.gateway.api_bodies import Asker
from workers.gateway.refusals import invalid

_SUBJECTS = ("provider", "model", "instead", "prompt_hash", "cause")


def recommendations_router(desk: AnalyticsDesk) -> APIRouter:
    """The endpoint."""
    router = APIRouter(prefix="/api/v1/analytics", tags=["analytics"])
    query = Annotated[RecommendationsParameters, Depends(parameters_of(RecommendationsParameters))]

    @router.get(
        "/recommendations",
        openapi_extra=described_query(RecommendationsParameters),
        responses={200: {"model": AnalyticsAnswer[RecommendationRow]}},
    )
    async def recommendations(request: Request, access: Asker, parameters: query) -> Response:
        """What could be saved, the largest saving first; looked for every quarter of an hour."""
        for name in ("start", "end", "last"):
            if getattr(parameters, name) is not None:
                raise unfit({"start": "from", "end": "to"}.get(name, name), "the period is the one that was looked at")
        question = asked(request, parameters, access)
        tenants = tenant_of(access, [] if parameters.tenant is None else [parameters.tenant])
        as_csv = wants_csv(request, parameters)
        limit = parameters.limit or (MAX_ROWS if as_csv else DEFAULT_ROWS)
        after = _after(question.after)
        run = await desk.read(last_run)
        found = await desk.read(
            lambda pool: page(pool, tenants=tenants, kind=parameters.kind, after=after, limit=limit + 1)
        )
        last = found[limit - 1] if len(found) > limit else None
        following = question.next(str(last.saving_usd), str(last.recommendation_id)) if last else None
        period, until = _period(run), run.watermark if run else None
        rows = [_row(one) for one in found[:limit]]
        if as_csv:
            return csv_answer(
                RecommendationRow,
                period,
                until,
                one_by_one(rows),
                groups=_SUBJECTS,
                leave_out=("evidence",),
                following=following,
            )
        return json_answer(RecommendationRow, period, until, rows, following)

    return router


def _period(run: Run | None) -> Window:
    """What was looked at; before the first look, what it would look at."""
    if run is not None:
        return Window(run.began, run.ended)
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    return Window(now - timedelta(days=PERIOD_DAYS), now)


def _after(position: Position | None) -> tuple[Decimal, UUID] | None:
    if position is None:
        return None
    try:
        saving_usd, recommendation_id = map(str, position)
        return Decimal(saving_usd), UUID(recommendation_id)
    except (ValueError, InvalidOperation):
        raise invalid("the cursor is not one that a page of this list gave", "cursor") from None


def _row(one: Found) -> RecommendationRow:
    return RecommendationRow(
        recommendation_id=one.recommendation_id,
        tenant_id=one.tenant_id,
        kind=one.kind,
        subject=dict(one.subject),
        saving_usd=one.saving_usd,
        advice=advice(one.kind, one.subject, one.evidence),
        evidence=dict(one.evidence),
    )
