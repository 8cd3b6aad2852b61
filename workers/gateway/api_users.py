"""`/api/v1/analytics/users`: what one user's requests came to, and how good the answers were."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends

from observatory.adapters.postgres.quality import read_user, watermark
from observatory.rules.call_sums import TOKENS, Sums, Tally
from observatory.rules.instants import at_us
from observatory.rules.users import User, together
from schemas.base import Name
from schemas.feedback import MILLION
from schemas.http_quality import ModelCalls, ScoreMean, TokenSums, UserParameters, UserView
from workers.gateway.analytics_desk import AnalyticsDesk
from workers.gateway.analytics_query import described_query, only_tenant, parameters_of
from workers.gateway.api_bodies import Asker
from workers.gateway.refusals import not_found


def users_router(desk: AnalyticsDesk) -> APIRouter:
    """The endpoint."""
    router = APIRouter(prefix="/api/v1/analytics/users", tags=["analytics"])
    query = Annotated[UserParameters, Depends(parameters_of(UserParameters))]

    @router.get("/{user_id:path}", openapi_extra=described_query(UserParameters))
    async def get(access: Asker, user_id: Name, parameters: query) -> UserView:
        """One user over all that is kept: cost, tokens, models, quality."""
        tenant = only_tenant(access, parameters.tenant) or access.tenant_id
        until = await desk.read(watermark)
        found = together(await desk.read(lambda pool: read_user(pool, tenant, user_id)))
        if found is None:
            raise not_found(f"nothing is known of a user {user_id!r} of the tenant {tenant!r}")
        return _view(found, until)

    return router


def tokens_view(sums: Sums) -> TokenSums:
    """The buckets by name."""
    return TokenSums(**dict(zip(TOKENS, sums.tokens, strict=True)))


def mean_view(kind_and_name: str, tally: Tally) -> ScoreMean:
    """The mean of the scores of one kind and name."""
    kind, _, name = kind_and_name.partition(":")
    return ScoreMean(kind=kind, name=name, scores=tally.n, mean=tally.total / (tally.n * MILLION))


def _view(one: User, until: datetime | None) -> UserView:
    sums = one.sums
    return UserView(
        tenant_id=one.tenant_id,
        user_id=one.user_id,
        first_activity=at_us(one.first_us),
        last_activity=at_us(one.last_us),
        requests=sums.requests,
        calls=sums.calls,
        errors=sums.errors,
        unpriced_calls=sums.unpriced_calls,
        estimated_calls=sums.estimated_calls,
        tokens=tokens_view(sums),
        cost_usd=sums.cost_usd,
        estimated_cost_usd=sums.estimated_cost_usd,
        models=[ModelCalls(model=model, calls=calls) for model, calls in sorted(one.models.items())],
        other_model_calls=one.other_model_calls,
        quality=[mean_view(name, tally) for name, tally in sorted(one.scores.items())],
        watermark=until,
    )
