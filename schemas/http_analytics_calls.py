"""Bodies of `/api/v1/analytics/{costs,performance,models/compare,waste,freshness}`: sums of calls.

Sums are exact. Averages and ratios are quotients of them with 12 decimals, percentiles at most 1.09 % off.
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.base import Body, Name, Time, Usd
from schemas.http_analytics import PeriodParameters

Granularity = Literal["none", "minute", "hour", "day", "month"]
Order = Literal["cost", "calls", "tokens", "errors", "p95"]
GroupOrder = Literal["cost", "calls", "tokens", "errors", "p95", "change"]
WasteGroup = Literal["cause", "model", "provider", "tenant"]
Wanted = list[Name] | None
TagValue = Annotated[str, StringConstraints(max_length=1024, pattern=r"^[^\x00]*$")]

MAX_TOP = 1_000

Quotient = Usd
"""A decimal string with 12 decimals at most."""


class CallParameters(PeriodParameters):
    """Which calls: a name that is given twice takes both."""

    tenant: Wanted = None
    provider: Wanted = None
    model: Annotated[Wanted, Field(description="As the provider answered, else as asked.")] = None
    operation: Wanted = None
    user: Wanted = None
    api_key: Wanted = None
    conversation: Wanted = None
    status: Wanted = None
    source: Wanted = None
    experiment: Wanted = None
    variant: Wanted = None
    prompt_version: Wanted = None
    tags: Annotated[
        dict[Name, list[TagValue]] | None, Field(description="Calls with this tag: `tag:team=search`.", max_length=8)
    ] = None


class GroupedParameters(CallParameters):
    """How they are added up."""

    group_by: Annotated[
        str | None,
        Field(
            max_length=1024,
            pattern=r"^[^\x00]*$",
            description="By what, separated by commas: tenant, provider, model, operation, user, api_key, "
            "conversation, status, source, experiment, variant, prompt_version, tag:KEY.",
        ),
    ] = None
    granularity: Granularity = "none"
    time_zone: Annotated[str | None, Field(description="IANA zone that days and months follow; else UTC.")] = None
    top: Annotated[
        int | None, Field(ge=1, le=MAX_TOP, description="So many groups of the whole period; the rest is summed.")
    ] = None
    order: Annotated[
        GroupOrder,
        Field(description="What groups are ordered by, the greatest first; change: of cost, with compare."),
    ] = "cost"
    compare: Annotated[
        Literal["previous"] | None, Field(description="previous: the period of the same length before it too.")
    ] = None


class CompareParameters(CallParameters):
    """Which models are set side by side."""

    order: Order = "cost"


class WasteParameters(PeriodParameters):
    """Which attempts that gave no answer to anybody."""

    by: WasteGroup = "cause"
    tenant: Wanted = None
    model: Wanted = None


class Step(Body):
    """Which group in which step. `at` is when that begins, null without granularity; `other` is the rest of a `top`.

    `groups` counts the groups that are summed in the row.
    """

    at: Time | None
    group: dict[str, str | None] | None
    other: bool
    groups: int


class CostFigures(Body):
    """Calls that were sent and what they cost.

    `cost_usd` lacks the unpriced calls; what is estimated is a part of it. Token buckets are disjoint but for
    reasoning, which is a part of the output; `tokens` are all of them, `input_tokens` those that were read. The average
    is over the calls with a price.
    """

    calls: int
    errors: int
    unpriced_calls: int
    estimated_calls: int
    not_sent_calls: int
    tokens: int
    input_tokens: int
    uncached_input_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int
    input_audio_tokens: int
    output_audio_tokens: int
    input_image_tokens: int
    cost_usd: Usd
    estimated_cost_usd: Usd
    average_cost_usd: Quotient | None


class CostReasons(Body):
    """What a difference of cost is made of; the parts add up to it exactly.

    `calls_usd`: more or fewer calls, each at the cost of then. `length_usd`: as many tokens more or fewer a call, each
    at the price of then. `rate_usd`: what a token costs more or less on average, by prices, models or what is cached.
    """

    calls_usd: Usd
    length_usd: Usd
    rate_usd: Usd


class CostRow(CostFigures, Step):
    """A group, and with `compare` the same in the period before: `ratio` is now for each of then."""

    previous: CostFigures | None = None
    difference_usd: Usd | None = None
    reasons: CostReasons | None = None
    ratio: Quotient | None = None


class PerformanceFigures(Body):
    """How calls went. Durations in ms over all calls that state them; rates from 0 to 1; per second of the step."""

    calls: int
    errors: int
    error_rate: float | None
    latency_p50_ms: float | None
    latency_p90_ms: float | None
    latency_p95_ms: float | None
    latency_p99_ms: float | None
    ttft_p50_ms: float | None
    ttft_p90_ms: float | None
    ttft_p95_ms: float | None
    ttft_p99_ms: float | None
    calls_per_second: float
    output_tokens: int
    output_tokens_per_second: float


class PerformanceRow(PerformanceFigures, Step):
    """A group, and with `compare` the same in the period before: differences are now less then."""

    previous: PerformanceFigures | None = None
    latency_p95_difference_ms: float | None = None
    error_rate_difference: float | None = None


class ModelRow(Body):
    """One model of one provider beside the others. Per 1,000 output tokens: null while calls of it lack a price."""

    provider: str
    model: str
    calls: int
    errors: int
    error_rate: float | None
    unpriced_calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: Usd
    estimated_cost_usd: Usd
    cost_share: Quotient | None
    cost_per_call_usd: Quotient | None
    cost_per_1k_output_tokens_usd: Quotient | None
    output_tokens_per_call: float | None
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    latency_p99_ms: float | None
    ttft_p50_ms: float | None
    ttft_p95_ms: float | None


class WasteFigures(Body):
    """What attempts cost that gave no answer, and what followed: the same provider again, another one, nothing."""

    group: str | None
    calls: int
    cost_usd: Usd
    estimated_cost_usd: Usd
    unpriced_calls: int
    retried_cost_usd: Usd
    fallback_cost_usd: Usd
    given_up_cost_usd: Usd


class FreshnessRow(Body):
    """How far one sink is in one partition of a topic: everything before `complete_until` is applied there."""

    sink: str
    topic: str
    partition: int
    next_offset: int
    complete_until: Time | None
    lag_ms: float | None


class SinkFreshness(Body):
    """A sink over all partitions of a topic; null before it has read each of them."""

    sink: str
    topic: str
    complete_until: Time | None
    lag_ms: float | None


class FreshnessAnswer(Body):
    """Up to when everything is complete. `watermark` is the ledger's, which every other answer carries."""

    asked_at: Time
    watermark: Time | None
    complete_until: Time | None
    sinks: list[SinkFreshness]
    rows: list[FreshnessRow]
