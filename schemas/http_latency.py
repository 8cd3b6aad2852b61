"""Bodies of `/api/v1/analytics/latency/{parts,distribution}`: where the time of calls went, and how it is spread.

Durations are ms. Percentiles are at most 1.09 % off.
"""

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Body, Time
from schemas.http_analytics_calls import CallParameters, Granularity

PartsGroup = Literal["provider", "model", "tenant", "operation", "status"]
Measure = Literal["latency", "ttft"]


class PartsParameters(CallParameters):
    """Which calls, by what."""

    group_by: Annotated[PartsGroup | None, Field(description="By what; without it all calls together.")] = None


class DistributionParameters(CallParameters):
    """Which calls, in which steps, and what of them."""

    granularity: Granularity = "hour"
    of: Annotated[Measure, Field(description="latency: sent to the last byte; ttft: to the first token.")] = "latency"


class PartFigures(Body):
    """A part of the time of calls: of how many, what 50, 95 and 99 % of them do not exceed, their mean.

    `share`: this part of the time of all calls in all parts, from 0 to 1.
    """

    calls: int
    share: float | None
    mean_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class PartsRow(Body):
    """A group and where the time of its calls went; the most time first.

    `waiting`: published to claimed; `policy`: claimed to sent; `first_token`: sent to the first token; `streaming`:
    from there to the last byte; `unsplit`: sent to the last byte, of calls without a first token.
    """

    group: str | None
    waiting: PartFigures
    policy: PartFigures
    first_token: PartFigures
    streaming: PartFigures
    unsplit: PartFigures


class Band(Body):
    """How many calls took longer than `above_ms`, up to `up_to_ms`."""

    above_ms: float
    up_to_ms: float
    calls: int


class DistributionRow(Body):
    """The calls of a step by how long they took: four bands a doubling, those without a call left out."""

    at: Time | None
    calls: int
    bands: list[Band]
