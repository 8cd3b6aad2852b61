"""`/api/v1/search`: finds what has a name or an id, or begins with it. A key finds what is its own tenant's only."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends

from observatory.adapters.postgres.search import search
from schemas.http_search import SearchAnswer, SearchHit, SearchParameters
from workers.gateway.analytics_desk import AnalyticsDesk
from workers.gateway.analytics_query import described_query, only_tenant, parameters_of
from workers.gateway.api_bodies import Asker


def search_router(desk: AnalyticsDesk) -> APIRouter:
    """The endpoint."""
    router = APIRouter(prefix="/api/v1/search", tags=["analytics"])
    query = Annotated[SearchParameters, Depends(parameters_of(SearchParameters))]

    @router.get("", openapi_extra=described_query(SearchParameters))
    async def find(access: Asker, parameters: query) -> SearchAnswer:
        """Models, tenants, users, conversations, calls, requests and traces of that name or id."""
        tenant = only_tenant(access, None)
        _, found = await desk.in_snapshot(lambda connection: search(connection, parameters.q, tenant, parameters.limit))
        return SearchAnswer(q=parameters.q, hits=[SearchHit(**asdict(hit)) for hit in found])

    return router
