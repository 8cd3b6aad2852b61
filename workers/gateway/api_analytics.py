"""`/api/v1/analytics`: what calls cost and how they went, models side by side, waste, and how fresh all of it is.

A key sees its own tenant's calls only. Where no key is needed, all can be seen.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from observatory.adapters.postgres.analytics import Question, Row
from observatory.adapters.postgres.freshness import by_sink, least
from observatory.adapters.postgres.waste import WasteQuery, WasteRow
from schemas.http_analytics import AnalyticsAnswer, AnyRow
from schemas.http_analytics_calls import (
    CompareParameters,
    CostRow,
    FreshnessAnswer,
    FreshnessRow,
    GroupedParameters,
    ModelRow,
    PerformanceRow,
    SinkFreshness,
    WasteFigures,
    WasteParameters,
)
from workers.gateway.access import Access
from workers.gateway.analytics_answers import csv_answer, json_answer, one_by_one, wants_csv
from workers.gateway.analytics_desk import AnalyticsDesk
from workers.gateway.analytics_query import asked, described_query, in_one_page, parameters_of, tenant_of, unfit
from workers.gateway.analytics_questions import cursor_of, grouped_question, only
from workers.gateway.analytics_rows import cost_row, model_rows, performance_row
from workers.gateway.api_bodies import Asker

_COST_COMPARISON = ("previous", "difference_usd", "reasons", "ratio")
_PERFORMANCE_COMPARISON = ("previous", "latency_p95_difference_ms", "error_rate_difference")
_MODELS = 1_000


def analytics_router(desk: AnalyticsDesk) -> APIRouter:
    """The endpoints."""
    router = APIRouter(prefix="/api/v1/analytics", tags=["analytics"])
    grouped = Annotated[GroupedParameters, Depends(parameters_of(GroupedParameters))]
    models = Annotated[CompareParameters, Depends(parameters_of(CompareParameters))]
    wasted = Annotated[WasteParameters, Depends(parameters_of(WasteParameters))]

    @router.get("/costs", openapi_extra=described_query(GroupedParameters), responses=_answers(CostRow))
    async def costs(request: Request, access: Asker, parameters: grouped) -> Response:
        """What calls cost, exact, with their tokens: by what you like, step by step."""
        answer = _Answer(desk, request, access, parameters, durations=False)
        return await answer.of(CostRow, cost_row, _COST_COMPARISON)

    @router.get("/performance", openapi_extra=described_query(GroupedParameters), responses=_answers(PerformanceRow))
    async def performance(request: Request, access: Asker, parameters: grouped) -> Response:
        """How calls went: errors, latency and time to the first token, throughput."""
        answer = _Answer(desk, request, access, parameters, durations=True)
        return await answer.of(PerformanceRow, performance_row, _PERFORMANCE_COMPARISON)

    @router.get("/models/compare", openapi_extra=described_query(CompareParameters), responses=_answers(ModelRow))
    async def compare(request: Request, access: Asker, parameters: models) -> Response:
        """Models side by side: what a call and 1,000 tokens cost, errors, latency."""
        question = in_one_page(asked(request, parameters, access), parameters)
        watermark, rows = await desk.rows(
            Question(
                period=question.period,
                group_by=("provider", "model"),
                only=only(parameters, access),
                order=parameters.order,
                durations=True,
                limit=_MODELS,
            )
        )
        found = model_rows([row async for row in rows])
        if wants_csv(request, parameters):
            return csv_answer(ModelRow, question.period, watermark, one_by_one(found))
        return json_answer(ModelRow, question.period, watermark, found)

    @router.get("/waste", openapi_extra=described_query(WasteParameters), responses=_answers(WasteFigures))
    async def waste(request: Request, access: Asker, parameters: wasted) -> Response:
        """What attempts cost that gave no answer to anybody, by cause; the first row is the total."""
        question = in_one_page(asked(request, parameters, access), parameters)
        tenant = _one("tenant", tenant_of(access, parameters.tenant or []))
        model = _one("model", parameters.model or [])
        watermark, groups, total = await desk.waste(
            WasteQuery(
                by=parameters.by, since=question.period.start, until=question.period.end, tenant=tenant, model=model
            )
        )
        rows = [_wasted(row) for row in (total, *groups)]
        if wants_csv(request, parameters):
            return csv_answer(WasteFigures, question.period, watermark, one_by_one(rows))
        return json_answer(WasteFigures, question.period, watermark, rows)

    @router.get("/freshness")
    async def freshness(_: Asker) -> FreshnessAnswer:
        """How far each sink and stream has read each partition: up to when what it shows is complete."""
        now, reached, watermark = await desk.freshness()
        sinks = by_sink(reached)
        return FreshnessAnswer(
            asked_at=now,
            watermark=watermark,
            complete_until=least(sinks.values()),
            sinks=[
                SinkFreshness(sink=sink, topic=topic, complete_until=until, lag_ms=_lag_ms(now, until))
                for (sink, topic), until in sinks.items()
            ],
            rows=[FreshnessRow(**asdict(each), lag_ms=_lag_ms(now, each.complete_until)) for each in reached],
        )

    return router


class _Answer:
    """One question by groups and steps, answered as JSON page by page or as CSV in one stream."""

    def __init__(
        self, desk: AnalyticsDesk, request: Request, access: Access, parameters: GroupedParameters, *, durations: bool
    ) -> None:
        self._desk, self._parameters = desk, parameters
        self._csv = wants_csv(request, parameters)
        self._asked = asked(request, parameters, access)
        self._question = grouped_question(self._asked, parameters, access, durations=durations, csv=self._csv)

    async def of(
        self, model: type[AnyRow], row_of: Callable[[Question, Row], AnyRow], comparison: Sequence[str]
    ) -> Response:
        """`comparison`: the fields that say something only with `compare`."""
        question, period = self._question, self._asked.period
        watermark, rows = await self._desk.rows(question)
        if self._csv:
            whole = rows if self._parameters.limit is None else one_by_one((await self._page(rows))[0])
            return csv_answer(
                model,
                period,
                watermark,
                _each(row_of, question, whole),
                groups=question.group_by,
                leave_out=() if question.compare else comparison,
            )
        page, following = await self._page(rows)
        return json_answer(model, period, watermark, [row_of(question, row) for row in page], following)

    async def _page(self, rows: AsyncIterator[Row]) -> tuple[list[Row], str | None]:
        """The rows of the page and the cursor of the next one."""
        found = [row async for row in rows]
        if self._question.limit is None or len(found) < self._question.limit:
            return found, None
        page = found[:-1]
        return page, cursor_of(self._asked, page[-1].position)


async def _each(
    row_of: Callable[[Question, Row], AnyRow], question: Question, rows: AsyncIterator[Row]
) -> AsyncIterator[AnyRow]:
    async for row in rows:
        yield row_of(question, row)


def _answers(model: type[AnyRow]) -> dict[int | str, dict[str, object]]:
    return {200: {"model": AnalyticsAnswer[model], "content": {"text/csv": {}}}}  # type: ignore[valid-type]


def _one(name: str, wanted: Sequence[str]) -> str | None:
    if len(wanted) > 1:
        raise unfit(name, "is given more than once")
    return wanted[0] if wanted else None


def _wasted(row: WasteRow) -> WasteFigures:
    known = asdict(row)
    return WasteFigures(group=known.pop("key"), **known)


def _lag_ms(now: datetime, until: datetime | None) -> float | None:
    return None if until is None else max(0.0, (now - until).total_seconds() * 1000)
