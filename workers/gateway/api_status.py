"""`/api/v1/status`: whether anything is wrong right now, in one line and in detail."""

from collections.abc import Sequence

from fastapi import APIRouter

from observatory.adapters.kafka import topic_name
from observatory.adapters.postgres.pipeline import Standing
from observatory.adapters.settings import KafkaSettings
from observatory.rules.concerns import state_of, summary
from schemas.http_status import (
    ConcernView,
    LagView,
    OutboxView,
    ProcessView,
    StandingAlerts,
    StandingKind,
    StatusView,
)
from schemas.topics import LLM_CALLS
from workers.gateway.api_bodies import Asker
from workers.gateway.status_desk import Found, StatusDesk


def status_router(desk: StatusDesk, kafka: KafkaSettings) -> APIRouter:
    """The endpoint."""
    router = APIRouter(prefix="/api/v1", tags=["operations"])
    calls = topic_name(kafka, LLM_CALLS)

    @router.get("/status")
    async def status(access: Asker) -> StatusView:
        """Whether anything is wrong right now: processes, services, providers, alerts, lag, watermark, dead letters."""
        return _view(await desk.of(access), calls)

    return router


def standing_alerts(standing: Sequence[Standing]) -> StandingAlerts:
    """In sum and one by one."""
    return StandingAlerts(
        alerts=sum(one.alerts for one in standing),
        critical=sum(one.alerts for one in standing if one.severity == "critical"),
        kinds=[StandingKind(kind=one.kind, severity=one.severity, alerts=one.alerts) for one in standing],
    )


def _view(found: Found, calls: str) -> StatusView:
    stored = found.stored
    return StatusView(
        asked_at=found.asked_at,
        state=state_of(found.concerns),
        summary=summary(found.concerns, len(found.processes)),
        concerns=[
            ConcernView(kind=one.kind, severity=one.severity, subject=one.subject, sentence=one.sentence)
            for one in found.concerns
        ],
        processes=[
            ProcessView(name=name, ok=problem is None, problem=problem) for name, problem in found.processes.items()
        ],
        lags=None
        if found.lags is None
        else [LagView(group=lag.group, topic=lag.topic, records=lag.records) for lag in found.lags],
        watermark=None if stored is None else stored.watermark(calls),
        outbox=None
        if stored is None
        else [OutboxView(what=row.what, waiting=row.waiting, oldest_s=row.oldest_s) for row in stored.outbox],
        alerts=None if stored is None else standing_alerts(stored.standing),
        dead_letters_waiting=None if found.letters is None else sum(one.waiting for one in found.letters),
    )
