"""Bodies of `/api/v1/alerts`."""

from uuid import UUID

from schemas.alerts import Details, Severity
from schemas.base import Body, Time


class AlertView(Body):
    """An alert as it stands now, or stood in the end; `resolved_at` is null while it stands."""

    alert_id: UUID
    kind: str
    severity: Severity
    tenant_id: str
    subject: str
    message: str
    details: Details
    raised_at: Time
    resolved_at: Time | None


class AlertPage(Body):
    """Alerts, newest first; `next_cursor` leads to older ones."""

    alerts: list[AlertView]
    next_cursor: str | None
