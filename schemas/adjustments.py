"""The event of an adjustment: an amount of a provider's bill that belongs to no call of ours (`llm.calls`)."""

from datetime import date
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from schemas.base import Event, Name, Time, Usd

Day = Annotated[date, Field(strict=False)]
"""A calendar day in UTC, `YYYY-MM-DD`."""

Reason = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=r"^[^\x00-\x1f\x7f]+$")]


class CostAdjusted(Event):
    """What a provider billed beyond what is booked (below it: negative), for one model and day.

    `adjustment_id` is made of what the adjustment is for, so one that is sent twice is one. `day` is the day that it
    belongs to; `booked_month`, the first day of a month, is where it counts: another month than the day's once that is
    closed.
    """

    ce_type: ClassVar[str] = "cost.adjusted.v1"

    adjustment_id: UUID
    tenant_id: Name
    provider: Name
    model: Name
    day: Day
    booked_month: Day
    amount_usd: Usd
    reason: Reason
    export_id: Name
    adjusted_at: Time

    @model_validator(mode="after")
    def _booked_in_its_month_or_later(self) -> "CostAdjusted":
        if self.booked_month.day != 1:
            raise ValueError("booked_month is the first day of a month")
        if self.booked_month < self.day.replace(day=1):
            raise ValueError("booked_month lies before the month of the day")
        return self
