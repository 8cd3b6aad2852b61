"""`/api/v1/analytics/anomalies`: what strayed from the usual; `/api/v1/providers/health`: how providers serve."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from observatory.adapters.anomaly_views import anomaly_row, health_views
from observatory.adapters.postgres.anomalies import AnomalyQuery, anomalies, watermark
from observatory.adapters.postgres.health import read_health
from schemas.http_analytics import DEFAULT_ROWS, MAX_ROWS, AnalyticsAnswer
from schemas.http_anomalies import AnomalyParameters, AnomalyRow, AnomalyState, ProviderHealthList
from workers.gateway.analytics_answers import csv_answer, json_answer, one_by_one, wants_csv
from workers.gateway.analytics_query import Position, asked, described_query, parameters_of, tenant_of
from workers.gateway.api_bodies import Asker
from workers.gateway.database import Database
from workers.gateway.refusals import invalid

_STANDING: dict[AnomalyState, bool | None] = {"standing": True, "resolved": False, "all": None}


def anomalies_router(database: Database) -> APIRouter:
    """The endpoints."""
    router = APIRouter(prefix="/api/v1", tags=["analytics"])
    query = Annotated[AnomalyParameters, Depends(parameters_of(AnomalyParameters))]

    @router.get(
        "/analytics/anomalies",
        openapi_extra=described_query(AnomalyParameters),
        responses={200: {"model": AnalyticsAnswer[AnomalyRow]}},
    )
    async def page(request: Request, access: Asker, parameters: query) -> Response:
        """Anomalies that stood in the period, newest first, with the calls to look at."""
        question = asked(request, parameters, access)
        wanted = AnomalyQuery(
            start=question.period.start,
            end=question.period.end,
            tenants=tenant_of(access, [] if parameters.tenant is None else [parameters.tenant]),
            standing=_STANDING[parameters.state],
            metric=parameters.metric,
            model=parameters.model,
        )
        as_csv = wants_csv(request, parameters)
        limit = parameters.limit or (MAX_ROWS if as_csv else DEFAULT_ROWS)
        after = _after(question.after)
        # Asked first: what comes in between is in the answer and beyond what it promises.
        until = await database.run_or_refuse(watermark)
        found = await database.run_or_refuse(lambda pool: anomalies(pool, wanted, after, limit + 1))
        last = found[limit - 1] if len(found) > limit else None
        following = question.next(last.raised_at.isoformat(), str(last.alert_id)) if last else None
        rows = [anomaly_row(one) for one in found[:limit]]
        if as_csv:
            return csv_answer(AnomalyRow, question.period, until, one_by_one(rows), following=following)
        return json_answer(AnomalyRow, question.period, until, rows, following)

    @router.get("/providers/health")
    async def health(access: Asker) -> ProviderHealthList:
        """Every provider that was called lately, and its models, as `provider.health` tells the workers."""
        kept = await database.run_or_refuse(read_health)
        return ProviderHealthList(providers=health_views(kept, figures=access.api_key_id is None))

    return router


def _after(position: Position | None) -> tuple[datetime, UUID] | None:
    if position is None:
        return None
    try:
        raised_at, alert_id = position
        return datetime.fromisoformat(str(raised_at)), UUID(str(alert_id))
    except ValueError:
        raise invalid("the cursor is not one that a page of this list gave", "cursor") from None
