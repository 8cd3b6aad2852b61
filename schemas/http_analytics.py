"""Bodies of `/api/v1/analytics`: the envelope of every answer. Amounts are decimal strings in US dollars, exact."""

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import ConfigDict, Field

from schemas.base import Body, Time
from schemas.http import HttpBody

AnyRow = TypeVar("AnyRow", bound=Body)

AnswerFormat = Literal["json", "csv"]

MAX_ROWS = 10_000
DEFAULT_ROWS = 1_000


class AnalyticsPeriod(Body):
    """From (included) to (not included): whole minutes, to which what was asked for is widened."""

    model_config = ConfigDict(populate_by_name=True)

    start: Annotated[Time, Field(alias="from")]
    end: Annotated[Time, Field(alias="to")]


class AnalyticsAnswer(Body, Generic[AnyRow]):
    """Rows about a period.

    Everything up to `watermark` is in them (null: not every partition was read yet); `complete` says that it has passed
    the period's end, so that nothing but corrections can still come. `next` is the cursor of the next page, null on the
    last. As CSV the rows come alone and the rest stands in headers: `x-observatory-from`, `-to`, `-watermark`,
    `-complete`, `-next`.
    """

    period: AnalyticsPeriod
    watermark: Time | None
    complete: bool
    rows: list[AnyRow]
    next: str | None


class PeriodParameters(HttpBody):
    """What every question about a period may say. Without a period it is about the last 24 hours."""

    start: Annotated[Time | None, Field(alias="from", description="From when, RFC 3339; included.")] = None
    end: Annotated[Time | None, Field(alias="to", description="Until when, RFC 3339; not included. Default: now.")] = (
        None
    )
    last: Annotated[str | None, Field(description="Instead of from and to: 90m, 24h, 7d, 30d.", max_length=20)] = None
    format: Annotated[
        AnswerFormat | None, Field(description="json or csv; without it what `Accept` prefers, else json.")
    ] = None
    limit: Annotated[
        int | None, Field(ge=1, le=MAX_ROWS, description=f"Rows a page; without it {DEFAULT_ROWS}, as CSV all.")
    ] = None
    cursor: Annotated[str | None, Field(description="The `next` of the page before, with the same question.")] = None
