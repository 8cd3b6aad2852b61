"""Bodies of `/api/v1/alerts`."""

from uuid import UUID

from pydantic import Field

from schemas.alerts import Details, Severity
from schemas.base import Body, Time


class FoldedAlert(Body):
    """A lower threshold of the same budget and period, as a share of its limit."""

    alert_id: UUID
    severity: Severity
    message: str
    threshold: str
    raised_at: Time


class AlertView(Body):
    """An alert as it stands now, or stood in the end; `resolved_at` is null while it stands.

    `folded`: in a folded list the lower thresholds of the same budget and period, the highest first.
    """

    alert_id: UUID
    kind: str
    severity: Severity
    tenant_id: str
    subject: str
    message: str
    details: Details
    raised_at: Time
    resolved_at: Time | None
    folded: list[FoldedAlert] = Field(default_factory=list)


class AlertPage(Body):
    """Alerts, newest first; `next_cursor` leads to older ones."""

    alerts: list[AlertView]
    next_cursor: str | None
