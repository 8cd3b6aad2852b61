"""`/api/v1/analytics/quality`: how good answers were, day by day, with how sure that is."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, get_args

from fastapi import APIRouter, Depends, Request, Response

from observatory.adapters.postgres.quality import QualityQuery, QualitySums, read_trend, watermark
from observatory.rules.periods import Window
from observatory.rules.quality import mean_of
from schemas.http_analytics import DEFAULT_ROWS, MAX_ROWS, AnalyticsAnswer
from schemas.http_quality import QualityGroup, QualityParameters, QualityRow
from workers.gateway.analytics_answers import csv_answer, json_answer, one_by_one, wants_csv
from workers.gateway.analytics_desk import AnalyticsDesk
from workers.gateway.analytics_query import (
    Position,
    asked,
    described_query,
    parameters_of,
    tenant_of,
    unfit,
)
from workers.gateway.api_bodies import Asker
from workers.gateway.refusals import invalid

_GROUPS: dict[str, QualityGroup] = {name: name for name in get_args(QualityGroup)}


def quality_router(desk: AnalyticsDesk) -> APIRouter:
    """The endpoint."""
    router = APIRouter(prefix="/api/v1/analytics", tags=["analytics"])
    query = Annotated[QualityParameters, Depends(parameters_of(QualityParameters))]

    @router.get(
        "/quality",
        openapi_extra=described_query(QualityParameters),
        responses={200: {"model": AnalyticsAnswer[QualityRow]}},
    )
    async def quality(request: Request, access: Asker, parameters: query) -> Response:
        """Scores of answers by the day on which the answering call began, in whole days (UTC)."""
        question = asked(request, parameters, access)
        period = _whole_days(question.period)
        groups = _groups(parameters.group_by)
        wanted = QualityQuery(
            start=period.start.date(),
            end=period.end.date(),
            step=parameters.granularity,
            groups=groups,
            tenants=tenant_of(access, parameters.tenant or []),
            providers=parameters.provider or [],
            models=parameters.model or [],
            prompt_versions=parameters.prompt_version or [],
            kind=parameters.kind,
            name=parameters.name,
            unattached=parameters.unattached,
        )
        as_csv = wants_csv(request, parameters)
        limit = parameters.limit or (MAX_ROWS if as_csv else DEFAULT_ROWS)
        after = _after(question.after)
        # Asked first: what comes in between is in the answer and beyond what it promises.
        until = await desk.read(watermark)
        found = await desk.read(lambda pool: read_trend(pool, wanted, after, limit + 1))
        last = found[limit - 1] if len(found) > limit else None
        following = question.next(last.step.isoformat(), *last.keys) if last else None
        rows = [_row(sums, groups, parameters) for sums in found[:limit]]
        if as_csv:
            return csv_answer(QualityRow, period, until, one_by_one(rows), groups=groups, following=following)
        return json_answer(QualityRow, period, until, rows, following)

    return router


def _whole_days(period: Window) -> Window:
    day = timedelta(days=1)
    begin = period.start.replace(hour=0, minute=0)
    end = period.end.replace(hour=0, minute=0)
    return Window(begin, end if end == period.end else end + day)


def _groups(text: str) -> list[QualityGroup]:
    """Raises `Refusal` 422."""
    names = [name.strip() for name in text.split(",")] if text.strip() else []
    unknown = [name for name in names if name not in _GROUPS]
    if unknown:
        raise unfit("group_by", f"{unknown[0][:40]!r} is none of {', '.join(_GROUPS)}")
    if len(set(names)) < len(names):
        raise unfit("group_by", "names a group twice")
    return [_GROUPS[name] for name in names]


def _after(position: Position | None) -> tuple[date, Sequence[str]] | None:
    if position is None:
        return None
    step, *keys = position
    try:
        return date.fromisoformat(str(step)), [str(key) for key in keys]
    except ValueError:
        raise invalid("the cursor is not one that a page of this list gave", "cursor") from None


def _row(sums: QualitySums, groups: Sequence[str], parameters: QualityParameters) -> QualityRow:
    kind, name, *values = sums.keys
    mean = mean_of(sums.n, sums.total, sums.squares)
    if mean is None:
        raise ValueError("a row of no scores")
    return QualityRow.model_validate(
        {
            "start": None
            if parameters.granularity == "none"
            else datetime.combine(sums.step, datetime.min.time(), UTC),
            # No prompt version is an empty text among the keys.
            "group": {group: value or None for group, value in zip(groups, values, strict=True)},
            "kind": kind,
            "name": name,
            "scores": sums.n,
            "unattached": sums.unattached,
            "mean": mean.mean,
            "low": mean.low,
            "high": mean.high,
            "ups": sums.ups,
            "downs": sums.downs,
            "judged_calls": sums.judged_calls,
            "unpriced_calls": sums.unpriced_calls,
            "cost_usd": sums.cost_usd,
        }
    )
