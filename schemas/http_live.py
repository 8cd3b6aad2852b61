"""What `/api/v1/live` is asked, and what it says besides the events of the topics."""

from typing import Annotated

from pydantic import Field

from schemas.base import Body, Milliseconds, Name, Time, Usd
from schemas.http import HttpBody


class LiveParameters(HttpBody):
    """Whose calls, and how they are told."""

    tenant: Annotated[Name | None, Field(description="Whose; a key sees its own only.")] = None
    figures: Annotated[
        bool,
        Field(
            description="true: sums of each second in `status` in place of the windows; without a tenant those of all "
            "that may be seen."
        ),
    ] = False


class LiveSums(Body):
    """Calls that ended in a second or more, by the broker's clock; `cost_usd` lacks the unpriced ones."""

    calls: int
    errors: int
    unpriced_calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: Usd
    latency_p50_ms: Milliseconds | None
    latency_p95_ms: Milliseconds | None
    latency_p99_ms: Milliseconds | None
    ttft_p95_ms: Milliseconds | None


class LiveSecond(LiveSums):
    """The second that begins then."""

    at: Time


class LiveFigures(Body):
    """What is complete: the last minute in sum, and the seconds since the last `status`, at first of five minutes.

    `tenant_id` is null when they are of all tenants. A second without calls is left out.
    """

    tenant_id: str | None
    minute: LiveSums
    seconds: list[LiveSecond]


class LiveStatus(Body):
    """Once a second: up to when all windows are complete, and how many calls are in flight.

    `complete_until` is null before every partition was read, `in_flight` while the database is away; `figures` where
    they were not asked for, or cannot be known at the moment.
    """

    tenant_id: str
    complete_until: Time | None
    in_flight: int | None
    figures: LiveFigures | None = None
