"""What an anomaly says to people: an alert with the figures, the span and the calls to look at."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from observatory.rules.alerts import Alert
from observatory.rules.anomalies.series import Metric, Raised, Resolved
from observatory.rules.money import MONEY
from schemas.base import decimal_text, rfc3339

ANOMALY = "anomaly"
CRITICAL_FACTOR, CRITICAL_RATE = 5.0, 0.5

_NAMES: dict[Metric, str] = {
    "cost_rate": "cost", "error_rate": "error rate", "latency_p95": "p95 latency", "tokens_per_call": "tokens a call",
}  # fmt: skip


def anomaly_alert(tenant_id: str, model: str, raised: Raised, calls: Sequence[UUID]) -> Alert:
    """The alert. Its id is made of tenant, model, metric and the moment since which the figure strays.

    Its times are in its details alone: whoever shows it knows the reader's zone.
    """
    return Alert(
        kind=ANOMALY,
        severity="critical" if _is_critical(raised) else "warning",
        tenant_id=tenant_id,
        subject=subject_of(model, raised.metric),
        occurrence=str(raised.since_s),
        message=f"{_NAMES[raised.metric]} of {model} is {_told(raised)}",
        details={
            "metric": raised.metric,
            "model": model,
            "since": _moment(raised.since_s),
            "until": _moment(raised.until_s),
            **_figures(raised),
            "factor": raised.factor,
            "deviations": raised.deviations,
            "calls": raised.calls,
            "look_at": [str(call_id) for call_id in calls],
        },
    )


def resolved_alert(tenant_id: str, model: str, over: Resolved) -> tuple[UUID, dict[str, object]]:
    """The id of an alert that is over, and what is added to its details."""
    alert = Alert(
        kind=ANOMALY, severity="warning", tenant_id=tenant_id, subject=subject_of(model, over.metric),
        occurrence=str(over.since_s), message="", details={},
    )  # fmt: skip
    added = {"until": _moment(over.until_s), "resolved_because": over.reason, "peak_factor": over.peak_factor}
    return alert.alert_id, added


def subject_of(model: str, metric: Metric) -> str:
    """What an anomaly is about, within a tenant."""
    return f"{model} {metric}"


def _is_critical(raised: Raised) -> bool:
    if raised.metric == "error_rate":
        return float(raised.seen) >= CRITICAL_RATE
    return max(raised.factor, raised.price_factor or 0.0) >= CRITICAL_FACTOR


def _figures(raised: Raised) -> dict[str, object]:
    if raised.metric != "cost_rate":
        return {"seen": raised.seen, "expected": raised.expected}
    return {
        "seen_usd": _text(raised.seen),
        "seen_s": raised.until_s - raised.since_s,
        "usual_usd": _text(raised.expected),
        "usual_s": raised.usual_s,
        "calls_factor": raised.calls_factor,
        "price_factor": raised.price_factor,
    }


def _told(raised: Raised) -> str:
    times = f"{raised.factor:.3g} times the usual"
    match raised.metric:
        case "cost_rate" if raised.price_factor is not None and raised.price_factor > raised.factor:
            return f"{raised.price_factor:.3g} times the usual for each token, {times} in all, {_spent(raised)}"
        case "cost_rate":
            return f"{times}, {_spent(raised)}"
        case "error_rate":
            return f"{raised.seen:.1%} instead of {raised.expected:.1%}"
        case "latency_p95":
            return f"{times}, {raised.seen:,.0f} instead of {raised.expected:,.0f} ms"
        case "tokens_per_call":
            return f"{times}, {raised.seen:,.0f} instead of {raised.expected:,.0f}"


def _spent(raised: Raised) -> str:
    return f"{_text(raised.seen)} USD in {raised.until_s - raised.since_s} s"


def _text(amount: Decimal | float) -> str:
    if not isinstance(amount, Decimal):
        raise TypeError("money is exact")
    return decimal_text(MONEY.normalize(amount)) if amount else "0"


def _moment(second: int) -> str:
    return rfc3339(datetime.fromtimestamp(second, UTC))
