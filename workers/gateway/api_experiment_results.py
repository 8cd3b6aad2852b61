"""`/api/v1/analytics/experiments`: what the experiments have shown so far, in figures and in words."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from observatory.adapters.experiment_views import rows_of, view_of
from observatory.adapters.postgres.experiment_results import Results, read_until, results_of
from observatory.adapters.postgres.pool import Pool
from observatory.rules.periods import Window
from schemas.base import Name
from schemas.experiments import Experiment
from schemas.http_analytics import AnalyticsAnswer
from schemas.http_experiments import ComparisonRow, ExperimentResults, ExperimentsParameters
from workers.gateway.analytics_answers import csv_answer, json_answer, one_by_one, wants_csv
from workers.gateway.analytics_desk import AnalyticsDesk
from workers.gateway.analytics_query import Asked, asked, described_query, only_tenant, parameters_of, tenant_of
from workers.gateway.api_bodies import Asker
from workers.gateway.api_experiments import ExperimentId, run
from workers.gateway.database import Database

DEFAULT_EXPERIMENTS = 20
Tenant = Annotated[Name | None, Query(description="Whose; without it the key's own. A key sees its own only.")]


def experiment_results_router(database: Database, desk: AnalyticsDesk) -> APIRouter:
    """The endpoints."""
    router = APIRouter(prefix="/api/v1/analytics/experiments", tags=["analytics"])
    query = Annotated[ExperimentsParameters, Depends(parameters_of(ExperimentsParameters))]

    @router.get(
        "",
        openapi_extra=described_query(ExperimentsParameters),
        responses={200: {"model": AnalyticsAnswer[ComparisonRow]}},
    )
    async def page(request: Request, access: Asker, parameters: query) -> Response:
        """A row for each comparison of the experiments that ran within the period, latest start first.

        `limit` counts experiments, 20 without it.
        """
        question = asked(request, parameters, access)
        limit = parameters.limit or DEFAULT_EXPERIMENTS
        tenants = tenant_of(access, [] if parameters.tenant is None else [parameters.tenant])
        tenant = tenants[0] if tenants else None
        known = await run(database, lambda store: store.list(tenant, parameters.experiment))
        found = _page(_asked_for(known, question.period, parameters.state), question)
        last = found[limit - 1] if len(found) > limit else None
        following = question.next(*_position(last)) if last else None
        watermark, results = await desk.read(lambda pool: _results(pool, found[:limit]))
        rows = [row for one in results for row in rows_of(one)]
        if wants_csv(request, parameters):
            return csv_answer(ComparisonRow, question.period, watermark, one_by_one(rows), following=following)
        return json_answer(ComparisonRow, question.period, watermark, rows, following)

    @router.get("/{experiment_id}")
    async def get(access: Asker, experiment_id: ExperimentId, tenant: Tenant = None) -> ExperimentResults:
        """One experiment: its variants, every comparison, whether the split is right, and the verdict in words."""
        owner = only_tenant(access, tenant) or access.tenant_id
        experiment = await run(database, lambda store: store.get(owner, experiment_id))
        return view_of(await desk.read(lambda pool: results_of(pool, experiment)))

    return router


async def _results(pool: Pool, experiments: Sequence[Experiment]) -> tuple[datetime | None, list[Results]]:
    """The results and up to when they are complete, which is asked first: what comes in between is in them."""
    until = await read_until(pool)
    return until, [await results_of(pool, experiment) for experiment in experiments]


def _asked_for(experiments: Sequence[Experiment], period: Window, state: str | None) -> list[Experiment]:
    """Those that ran within the period, latest start first."""
    ran = [
        one
        for one in experiments
        if one.started_at is not None
        and one.started_at < period.end
        and (one.stopped_at is None or one.stopped_at >= period.start)
        and state in (None, one.state)
    ]
    return sorted(ran, key=_position, reverse=True)


def _position(experiment: Experiment) -> tuple[str, str, str]:
    started_at = experiment.started_at or experiment.created_at
    return started_at.isoformat(timespec="microseconds"), experiment.tenant_id, experiment.experiment_id


def _page(experiments: list[Experiment], question: Asked) -> list[Experiment]:
    if question.after is None:
        return experiments
    after = tuple(map(str, question.after))
    return [one for one in experiments if _position(one) < after]
