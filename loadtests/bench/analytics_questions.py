"""What people ask a month of calls: costs, performance, quality, conversations, traces, what could be saved."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from loadtests.bench.http import get
from schemas.base import rfc3339

BIG_TENANT = "analytics-00"
COSTS = "/api/v1/analytics/costs"

_ANALYTICS = "/api/v1/analytics"
_PERFORMANCE = f"{_ANALYTICS}/performance"
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC).toordinal()
_PERIODS = {"24 hours": "24h", "7 days": "7d", "30 days": "30d"}


@dataclass(frozen=True)
class Question:
    """A path and what is asked there; `yesterday`: about the last whole day. `answer`: what the body must hold."""

    name: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    yesterday: bool = False
    answer: bytes = b'"rows":[{'

    def request(self, host: str) -> bytes:
        """As it goes over the wire. `{day}` in path and query is the number of yesterday, counted from 1970 on."""
        yesterday = (datetime.now(UTC) - _DAY).toordinal() - _EPOCH
        query = {name: value.format(day=yesterday) for name, value in self.query.items()}
        return get(host, f"{self.path.format(day=yesterday)}?{urlencode({**query, **self.period()})}")

    def period(self) -> Mapping[str, str]:
        """The whole day that is over, where it is about that."""
        if not self.yesterday:
            return {}
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return {"from": rfc3339(today - _DAY), "to": rfc3339(today)}


def _of(path: str, name: str, **query: str) -> Question:
    return Question(name, path, query)


def _costs() -> Iterator[Question]:
    for name, last in _PERIODS.items():
        for group in ("model", "tenant"):
            yield _of(COSTS, f"costs, {name} by {group}", last=last, group_by=group)
        yield _of(COSTS, f"costs, {name}, top 10 users", last=last, group_by="user", top="10")
        yield _of(COSTS, f"costs, {name} by hour", last=last, granularity="hour")
    before = {"compare": "previous"}
    yield _of(COSTS, "costs, 24 hours by model, with the day before", last="24h", group_by="model", **before)
    yield _of(COSTS, "costs, 7 days by tenant, with the 7 before", last="7d", group_by="tenant", **before)
    month, by_day = {"last": "30d"}, {"granularity": "day"}
    yield _of(COSTS, "costs, 30 days by day", **month, **by_day)
    yield _of(COSTS, "costs, 30 days by day and model", **month, **by_day, group_by="model")
    yield _of(COSTS, "costs, 30 days of a tenant, top 10 users", **month, group_by="user", top="10", tenant=BIG_TENANT)
    prague = {"time_zone": "Europe/Prague", "tenant": BIG_TENANT}
    yield _of(COSTS, "costs, 30 days of a tenant by day in Prague", **month, **by_day, **prague)
    yield _of(COSTS, "costs, 30 days of a user by day", **month, **by_day, user="user-7")
    yield _of(COSTS, "costs, 30 days of a conversation", **month, conversation="conversation-{day}-77")
    yield _of(COSTS, "costs, 30 days by experiment", **month, group_by="experiment")
    yield Question("costs, top 10 users of a day", COSTS, {"group_by": "user", "top": "10"}, yesterday=True)


def _performance() -> Iterator[Question]:
    for name, last in _PERIODS.items():
        for group in ("model", "tenant"):
            yield _of(_PERFORMANCE, f"performance, {name} by {group}", last=last, group_by=group)
        yield _of(f"{_ANALYTICS}/models/compare", f"models side by side, {name}", last=last)
    for name in ("24 hours", "7 days"):
        yield _of(_PERFORMANCE, f"performance, {name} by hour", last=_PERIODS[name], granularity="hour")
    before = {"group_by": "model", "compare": "previous"}
    yield _of(_PERFORMANCE, "performance, 7 days by model, with the 7 before", last="7d", **before)
    yield _of(_PERFORMANCE, "performance, 30 days by day", last="30d", granularity="day")
    tenant = {"last": "30d", "tenant": BIG_TENANT}
    yield _of(_PERFORMANCE, "performance, 30 days of a tenant by model", **tenant, group_by="model")
    yield _of(_PERFORMANCE, "performance, 30 days of a tenant by day", **tenant, granularity="day")


def _latency() -> Iterator[Question]:
    parts, spread = f"{_ANALYTICS}/latency/parts", f"{_ANALYTICS}/latency/distribution"
    for name, last in _PERIODS.items():
        yield _of(parts, f"parts of the time, {name}", last=last)
        yield _of(parts, f"parts of the time, {name} by model", last=last, group_by="model")
        yield _of(parts, f"parts of the time, {name} by tenant", last=last, group_by="tenant")
    tenant = {"last": "30d", "tenant": BIG_TENANT}
    yield _of(parts, "parts of the time, 30 days of a tenant by status", **tenant, group_by="status")
    yield _of(parts, "parts of the time, 24 hours of a user", last="24h", user="user-7")
    for name, granularity in (("24 hours", "hour"), ("7 days", "hour"), ("30 days", "day")):
        title = f"latency spread, {name} by {granularity}"
        yield _of(spread, title, last=_PERIODS[name], granularity=granularity)
    yield _of(
        spread, "latency spread, 30 days of a tenant by day, first tokens", **tenant, granularity="day", of="ttft"
    )


def _calls() -> Iterator[Question]:
    calls = "/api/v1/calls"
    for order in ("latest", "cost", "latency", "tokens"):
        for name, last in (("an hour", "1h"), *_PERIODS.items()):
            yield _of(calls, f"calls, {name} by {order}", last=last, order=order)
        yield _of(calls, f"calls, 30 days of a tenant by {order}", last="30d", order=order, tenant="analytics-07")
    month, day = {"last": "30d"}, {"last": "24h"}
    yield _of(calls, "calls, 24 hours, failed", **day, status="error")
    yield _of(calls, "calls, 24 hours of a model by cost", **day, model="gpt-4o", order="cost")
    yield _of(calls, "calls, 30 days, failed", **month, status="error")
    yield _of(calls, "calls, 30 days, failed, by cost", **month, status="error", order="cost")
    yield _of(calls, "calls, 30 days of a user", **month, user="user-7")
    yield _of(
        calls, "calls, 30 days of a user of a tenant by cost", **month, user="user-7", tenant=BIG_TENANT, order="cost"
    )
    yield _of(calls, "calls, 30 days of a conversation", **month, conversation="conversation-{day}-77")


def _others() -> Iterator[Question]:
    quality, conversations = f"{_ANALYTICS}/quality", f"{_ANALYTICS}/conversations"
    for name, last in _PERIODS.items():
        yield _of(f"{_ANALYTICS}/waste", f"waste, {name} by cause", last=last)
        yield _of(quality, f"quality, {name} by model", last=last)
    every = {"last": "30d", "granularity": "none", "group_by": "tenant,model,prompt_version"}
    yield _of(quality, "quality, 30 days by tenant, model and prompt version", **every)
    of_tenant = {"last": "30d", "tenant": BIG_TENANT}
    yield _of(quality, "quality, 30 days of a tenant by prompt version", **of_tenant, group_by="prompt_version")
    for order in ("last_activity", "cost", "tokens", "quality"):
        yield _of(conversations, f"conversations, 30 days by {order}", last="30d", order=order)
    yield _of(conversations, "conversations, 30 days of a tenant by cost", **of_tenant, order="cost")
    turns = "conversation-{day}-77"
    yield Question("a conversation turn by turn", f"{conversations}/{turns}")
    yield Question("a conversation of a tenant turn by turn", f"{conversations}/{turns}", {"tenant": "analytics-17"})
    user = f"{_ANALYTICS}/users/user-7"
    yield Question("a user", user, {"tenant": BIG_TENANT}, answer=b'"user_id":"user-7"')
    yield _of(f"{_ANALYTICS}/freshness", "freshness")
    yield _of(f"{_ANALYTICS}/recommendations", "recommendations")
    yield _of(f"{_ANALYTICS}/experiments", "experiments", last="30d")


def _traces() -> Iterator[Question]:
    traces, month = "/api/v1/traces", {"last": "30d"}
    yield _of(traces, "traces, the latest", last="24h")
    yield _of(traces, "traces, 30 days of a tenant", **month, tenant=BIG_TENANT)
    yield _of(traces, "traces, 30 days, failed", **month, error="true")
    yield _of(traces, "traces, 30 days of a user", **month, user="user-7")
    yield _of(traces, "traces, 30 days of a model", **month, model="gpt-4o")
    yield _of(traces, "traces, 30 days of a conversation", **month, conversation="conversation-{day}-20")
    yield _of(traces, "traces, 30 days above a cost", **month, min_cost_usd="0.00068")
    yield _of(traces, "traces, 30 days above a duration", **month, min_duration_ms="4250")


QUESTIONS = (*_costs(), *_performance(), *_latency(), *_others(), *_calls(), *_traces())
