"""`/api/v1/analytics/latency`: where the time of calls went, and how it is spread over time.

A key sees its own tenant's calls only.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from observatory.adapters.postgres.analytics import Question, ask_histograms
from observatory.adapters.postgres.latency import PARTS, Part, Parts, PartsQuery, read_parts
from observatory.rules.periods import BadPeriod, check_steps
from observatory.rules.sketch import bands
from schemas.http_analytics import AnalyticsAnswer
from schemas.http_latency import (
    Band,
    DistributionParameters,
    DistributionRow,
    PartFigures,
    PartsParameters,
    PartsRow,
)
from workers.gateway.analytics_answers import csv_answer, json_answer, one_by_one, wants_csv
from workers.gateway.analytics_desk import AnalyticsDesk
from workers.gateway.analytics_query import asked, described_query, in_one_page, parameters_of, unfit
from workers.gateway.analytics_questions import only
from workers.gateway.api_bodies import Asker


def latency_router(desk: AnalyticsDesk) -> APIRouter:
    """The endpoints."""
    router = APIRouter(prefix="/api/v1/analytics/latency", tags=["analytics"])
    parts_query = Annotated[PartsParameters, Depends(parameters_of(PartsParameters))]
    spread_query = Annotated[DistributionParameters, Depends(parameters_of(DistributionParameters))]

    @router.get(
        "/parts", openapi_extra=described_query(PartsParameters), responses={200: {"model": AnalyticsAnswer[PartsRow]}}
    )
    async def parts(request: Request, access: Asker, parameters: parts_query) -> Response:
        """Where the time of calls went: waiting, policy, to the first token, streaming."""
        period = in_one_page(asked(request, parameters, access), parameters).period
        query = PartsQuery(period=period, group_by=parameters.group_by, only=only(parameters, access))
        watermark, groups = await desk.in_snapshot(lambda connection: read_parts(connection, query))
        rows = [_parts_row(name, found) for name, found in groups]
        if wants_csv(request, parameters):
            return csv_answer(PartsRow, period, watermark, one_by_one(rows))
        return json_answer(PartsRow, period, watermark, rows)

    @router.get(
        "/distribution",
        openapi_extra=described_query(DistributionParameters),
        responses={200: {"model": AnalyticsAnswer[DistributionRow]}},
    )
    async def distribution(request: Request, access: Asker, parameters: spread_query) -> Response:
        """How many calls took how long, step by step."""
        period = in_one_page(asked(request, parameters, access), parameters).period
        try:
            check_steps(period, parameters.granularity)
        except BadPeriod as error:
            raise unfit(error.parameter, str(error)) from error
        question = Question(
            period=period, granularity=parameters.granularity, only=only(parameters, access), durations=True
        )
        watermark, found = await desk.in_snapshot(lambda connection: ask_histograms(connection, question))
        rows = []
        for at, latency, ttft in found:
            spread = bands(latency if parameters.of == "latency" else ttft)
            rows.append(
                DistributionRow(
                    at=at,
                    calls=sum(calls for *_, calls in spread),
                    bands=[Band(above_ms=above, up_to_ms=up_to, calls=calls) for above, up_to, calls in spread],
                )
            )
        if wants_csv(request, parameters):
            return csv_answer(DistributionRow, period, watermark, one_by_one(rows))
        return json_answer(DistributionRow, period, watermark, rows)

    return router


_NONE = Part(0, 0.0, None, None, None)


def _parts_row(group: str | None, found: Parts) -> PartsRow:
    whole = sum(part.total_ms for part in found.values())
    return PartsRow(group=group, **{name: _figures(found.get(name, _NONE), whole) for name in PARTS})


def _figures(part: Part, whole_ms: float) -> PartFigures:
    return PartFigures(
        calls=part.calls,
        share=part.total_ms / whole_ms if whole_ms else None,
        mean_ms=part.total_ms / part.calls if part.calls else None,
        p50_ms=part.p50_ms,
        p95_ms=part.p95_ms,
        p99_ms=part.p99_ms,
    )
