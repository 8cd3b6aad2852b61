"""Bodies of `/api/v1/repricing`. Amounts are decimal strings in US dollars."""

from typing import Literal

from schemas.base import Body, Time, Usd


class RepricingJob(Body):
    """A job: which calls it costs again, at what prices, and how far it is.

    `overrides_name` is the file of what-if prices that come before the book as of `price_version`.
    """

    job_id: int
    state: Literal["running", "done"]
    since: Time | None
    until: Time
    tenant_id: str | None
    model: str | None
    price_version: str
    overrides_name: str | None
    expected_calls: int
    calls: int
    created_at: Time
    finished_at: Time | None


class RepricingJobs(Body):
    """The newest jobs first."""

    jobs: list[RepricingJob]


class RepricedGroup(Body):
    """Calls of one tenant and model, both null in the total; costs lack the calls counted as unpriced."""

    tenant_id: str | None
    model: str | None
    calls: int
    unpriced_before: int
    unpriced_after: int
    cost_before_usd: Usd
    cost_after_usd: Usd
    difference_usd: Usd


class RepricingReport(Body):
    """What calls did cost and what they would cost, the greatest change first."""

    job: RepricingJob
    total: RepricedGroup
    groups: list[RepricedGroup]
