"""Bodies of `/api/v1/analytics/recommendations`."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from schemas.base import Body, Name, Usd
from schemas.http_analytics import PeriodParameters

RecommendationKind = Literal["cache_answers", "cache_context", "cheaper_model", "avoid_failures"]


class RecommendationsParameters(PeriodParameters):
    """Which recommendations. Their period is the one that was looked at last: `from`, `to` and `last` are refused."""

    tenant: Name | None = None
    kind: Annotated[RecommendationKind | None, Field(description="Only these; without it all.")] = None


class RecommendationRow(Body):
    """What to change, the largest saving first.

    `saving_usd` is in 30 days: the exact amount of the period, times 30 over its days. `evidence` are the figures that
    it is read from and, as `look_at`, the ids of some calls that it is about. As CSV the evidence is left out.
    """

    recommendation_id: UUID
    tenant_id: str
    kind: RecommendationKind
    subject: dict[str, str]
    saving_usd: Usd
    advice: str
    evidence: dict[str, Any]
