"""The events of alerts: something needs a person's eye, and then does not any more (`alert.events`)."""

from typing import Annotated, ClassVar, Literal, TypeAlias
from uuid import UUID

from pydantic import Field, JsonValue, StringConstraints

from schemas.base import Event, Name, Time

Severity = Literal["warning", "critical"]
Subject = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Details = Annotated[dict[str, JsonValue], Field(description="What the message says, field by field; money as strings")]


class AlertRaised(Event):
    """Something needs attention.

    `alert_id` is made of kind, tenant, subject and occurrence, so an alert that is sent twice is one. Kinds:
    `budget_threshold` (subject: the budget), `unpriced_model` (subject: provider and model), `anomaly` (subject:
    model and metric); others may come.
    """

    ce_type: ClassVar[str] = "alert.raised.v1"

    alert_id: UUID
    kind: Name
    severity: Severity
    tenant_id: Name
    subject: Subject
    message: str
    details: Details
    raised_at: Time


class AlertResolved(Event):
    """An alert needs no attention any more; `details` are how it stood in the end."""

    ce_type: ClassVar[str] = "alert.resolved.v1"

    alert_id: UUID
    kind: Name
    severity: Severity
    tenant_id: Name
    subject: Subject
    message: str
    details: Details
    raised_at: Time
    resolved_at: Time


AlertEvent: TypeAlias = AlertRaised | AlertResolved
ALERT_TYPES: tuple[type[AlertEvent], ...] = (AlertRaised, AlertResolved)
