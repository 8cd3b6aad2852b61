"""`/api/v1/alerts`: what needs the tenant's attention, now and before. A key sees its own tenant's only."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query

from observatory.adapters.postgres.alerts import Alerts, Folded, StoredAlert
from observatory.adapters.postgres.pipeline import read_standing
from observatory.rules.limits import DEFAULT_PAGE, MAX_PAGE
from schemas.base import MAX_NAME_LENGTH
from schemas.http_alerts import AlertPage, AlertView
from schemas.http_status import StandingAlerts
from workers.gateway.access import Access
from workers.gateway.api_bodies import Asker, decode_cursor, encode_cursor, time_in
from workers.gateway.api_status import standing_alerts
from workers.gateway.database import Database
from workers.gateway.refusals import invalid, not_found

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]
Kind = Annotated[
    str, Query(pattern="^[a-z_]+$", max_length=MAX_NAME_LENGTH, description="budget_threshold, unpriced_model, anomaly")
]
State = Literal["standing", "resolved", "all"]

Of = Annotated[Literal["own", "all"], Query(description="Of the key's tenant, or of all that may be seen.")]

Fold = Annotated[
    bool,
    Query(description="true: of the thresholds of one budget and period the highest alone, with the others in it."),
]

_STANDING: dict[State, bool | None] = {"standing": True, "resolved": False, "all": None}


def alerts_router(database: Database) -> APIRouter:
    """The endpoints."""
    router = APIRouter(prefix="/api/v1/alerts", tags=["alerts"])

    @router.get("")
    async def page(
        access: Asker,
        state: State = "standing",
        kind: Kind | None = None,
        of: Of = "own",
        fold: Fold = False,
        cursor: str | None = None,
        limit: Limit = DEFAULT_PAGE,
    ) -> AlertPage:
        """Alerts, newest first: those that stand, those that are over, or all."""
        after = None
        if cursor is not None:
            raised_at, alert_id = decode_cursor(cursor, 2)
            after = (time_in(raised_at), _id_in(alert_id))
        rows = await database.run_or_refuse(
            lambda pool: Alerts(pool).page(
                _tenant(access, of),
                standing=_STANDING[state],
                kind=kind,
                since=None,
                after=after,
                limit=limit + 1,
                fold=fold,
            )
        )
        shown = rows[:limit]
        folded = await database.run_or_refuse(lambda pool: Alerts(pool).folded(shown)) if fold else {}
        last = rows[limit - 1] if len(rows) > limit else None
        following = encode_cursor(last.raised_at.isoformat(), str(last.alert_id)) if last else None
        return AlertPage(alerts=[_view(row, folded.get(row.alert_id, ())) for row in shown], next_cursor=following)

    @router.get("/standing")
    async def standing(access: Asker) -> StandingAlerts:
        """How many alerts stand, of all tenants that may be seen."""
        return standing_alerts(
            await database.run_or_refuse(lambda pool: read_standing(pool, _tenant(access, "all"), fold=True))
        )

    @router.get("/{alert_id}")
    async def get(access: Asker, alert_id: UUID, of: Of = "own") -> AlertView:
        """One alert."""
        found = await database.run_or_refuse(lambda pool: Alerts(pool).get(_tenant(access, of), alert_id))
        if found is None:
            raise not_found(f"there is no alert {alert_id}")
        return _view(found)

    return router


def _tenant(access: Access, of: str) -> str | None:
    """The tenant whose alerts are meant; None: all, which is for who needs no key."""
    return None if of == "all" and access.api_key_id is None else access.tenant_id


def _view(alert: StoredAlert, folded: Sequence[Folded] = ()) -> AlertView:
    return AlertView.model_validate({**_fields(alert), "folded": [_fields(one) for one in folded]})


def _fields(alert: StoredAlert | Folded) -> dict[str, object]:
    """The database's client has a UUID of its own."""
    return {**asdict(alert), "alert_id": UUID(int=alert.alert_id.int)}


def _id_in(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise invalid("this cursor is none of ours", "cursor") from None
