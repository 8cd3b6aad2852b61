"""Anomalies and the health of providers as they are shown, over HTTP and on the command line."""

from collections.abc import Mapping
from datetime import UTC, datetime
from math import exp
from uuid import UUID

from observatory.adapters.postgres.anomalies import StoredAnomaly
from observatory.adapters.postgres.health import KeptHealth
from observatory.rules.health import Measured, whole_of
from schemas.http_anomalies import AnomalyRow, ModelHealthView, ProviderHealthView

_LATER = ("until", "resolved_because", "peak_factor")
"""What the end of an anomaly adds to it."""


def anomaly_row(stored: StoredAnomaly) -> AnomalyRow:
    """An anomaly, as raised, and how it ended."""
    fields = {name: stored.details.get(name) for name in AnomalyRow.model_fields}
    fields |= {name: stored.latest.get(name) for name in _LATER}
    fields |= {
        "alert_id": UUID(int=stored.alert_id.int),
        "tenant_id": stored.tenant_id,
        "severity": stored.severity,
        "message": stored.message,
        "raised_at": stored.raised_at,
        "resolved_at": stored.resolved_at,
    }
    return AnomalyRow.model_validate(fields, strict=False)


def health_views(kept: Mapping[str, KeptHealth], *, figures: bool) -> list[ProviderHealthView]:
    """All providers; without `figures` their states alone, which say nothing of who calls them."""
    return [_provider(name, one, figures) for name, one in sorted(kept.items())]


def _provider(name: str, kept: KeptHealth, figures: bool) -> ProviderHealthView:
    state, measured = kept.judged.state, kept.judged.models
    models = [
        ModelHealthView(
            model=model,
            state=health.state,
            since=_moment(health.since_s),
            p95_ms=measured[model].p95_ms if figures else None,
            usual_p95_ms=exp(health.usual_log_ms) if figures and health.usual_log_ms is not None else None,
            **_counts(measured[model], figures),
        )
        for model, health in state.models.items()
    ]
    return ProviderHealthView(
        provider=name,
        state=state.health.state,
        since=_moment(state.health.since_s),
        measured_until=_moment(kept.measured_until),
        models=models,
        **_counts(whole_of(measured.values()), figures),
    )


def _counts(measured: Measured, figures: bool) -> dict[str, int | None]:
    if not figures:
        return {"calls": None, "errors": None, "faults": None}
    return {"calls": measured.calls, "errors": measured.errors, "faults": measured.faults}


def _moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
