"""Bodies of `/api/v1/analytics/conversations/{conversation_id}`: one conversation turn by turn."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from schemas.base import Body, Name, Time, Usd
from schemas.http import HttpBody
from schemas.http_calls import CallView

MAX_TURNS_PAGE = 500


class TurnParameters(HttpBody):
    """Whose conversation of that name, and which of its turns."""

    tenant: Annotated[Name | None, Field(description="Only this tenant's; a key sees its own only.")] = None
    limit: Annotated[int, Field(ge=1, le=MAX_TURNS_PAGE, description="Turns a page.")] = 50
    cursor: Annotated[str | None, Field(description="The `next` of the page before.")] = None


class TurnView(Body):
    """A request with all its calls, by attempt. `cost_usd` is that of all of them, without the unpriced ones.

    `status` is how the last attempt ended.
    """

    request_id: UUID
    tenant_id: str
    user_id: str | None
    started_at: Time
    status: str
    cost_usd: Usd
    unpriced_calls: int
    calls: list[CallView]


class ConversationTurns(Body):
    """A conversation: what its calls add up to, and a page of its turns, earliest first.

    Everything up to `watermark` is in it; `next` is the cursor of the next page. `cost_usd` lacks the unpriced calls
    and has the estimated part in it.
    """

    conversation_id: str
    turns: int
    calls: int
    errors: int
    unpriced_calls: int
    tokens: int
    first_activity: Time
    last_activity: Time
    cost_usd: Usd
    estimated_cost_usd: Usd
    rows: list[TurnView]
    watermark: Time | None
    next: str | None
