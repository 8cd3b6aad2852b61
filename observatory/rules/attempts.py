"""What is said of an attempt: the body of `llm.call.recorded`, from its start to its end.

Records are built as JSON text without `revision` and `started_at`; both are the journal's to give and are put in
front when the record is published.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import orjson

from observatory.rules import money
from observatory.rules.experiments.assignment import Assignment, prompt_version_of
from schemas.base import decimal_text, rfc3339
from schemas.calls import CallStatus, CostState, Usage, UsageSource
from schemas.chat import ChatRequested

NOTHING_USED = Usage()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptIdentity:
    """What does not change while an attempt lives."""

    call_id: UUID
    attempt: int
    provider: str
    request: ChatRequested
    assignment: Assignment | None = None
    prompt_hash: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """USD, exact, of one call and the price version it was computed with; both None when no price is known."""

    usd: Decimal | None
    price_version: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptResult:
    """What is known of an attempt. Times are `started_at` plus what a monotonic clock measured; durations in ms."""

    status: CallStatus
    usage: Usage | None
    usage_source: UsageSource
    cost: Cost
    cost_state: CostState
    error_type: str | None = None
    response_model: str | None = None
    provider_response_id: str | None = None
    service_tier: str | None = None
    first_token_at: datetime | None = None
    ended_at: datetime | None = None
    latency: Mapping[str, float | None] | None = None


def provisional(input_tokens: int, cost: Cost) -> AttemptResult:
    """What will be said of an attempt if its worker dies before it knows more: the counted input, at its price."""
    usage = Usage(uncached_input_tokens=input_tokens)
    return AttemptResult(status="unknown", usage=usage, usage_source="estimated", cost=cost, cost_state="estimated")


def not_sent() -> AttemptResult:
    """The right to act was lost between the attempt's commit and the call: it was not made and cost nothing."""
    return AttemptResult(
        status="not_sent",
        usage=NOTHING_USED,
        usage_source="missing",
        cost=Cost(usd=money.ZERO, price_version=None),
        cost_state="settled",
    )


def record_json(identity: AttemptIdentity, result: AttemptResult) -> str:
    """The record's JSON text, without `revision` and `started_at`."""
    request, cost, assignment = identity.request, result.cost, identity.assignment
    fields: dict[str, object] = {
        "call_id": identity.call_id,
        "request_id": request.request_id,
        "attempt": identity.attempt,
        "source": "worker",
        "tenant_id": request.tenant_id,
        "user_id": request.user_id,
        "conversation_id": request.conversation_id,
        "operation": "chat",
        "provider": identity.provider,
        "request_model": request.model,
        "response_model": result.response_model,
        "provider_response_id": result.provider_response_id,
        "status": result.status,
        "error_type": result.error_type,
        "usage": usage_json(result.usage),
        "usage_source": result.usage_source,
        "cost_usd": None if cost.usd is None else decimal_text(cost.usd),
        "cost_state": result.cost_state,
        "price_version": cost.price_version,
        "first_token_at": _time(result.first_token_at),
        "ended_at": _time(result.ended_at),
        "latency": None if result.latency is None else _present(result.latency),
        "tags": request.tags,
        "api_key_id": request.api_key_id,
        "service_tier": result.service_tier,
        "prompt_version": prompt_version_of(request, assignment),
        "prompt_hash": identity.prompt_hash,
    }
    if assignment is not None:
        fields |= {
            "experiment_id": assignment.experiment_id,
            "experiment_version": assignment.version,
            "variant_id": assignment.variant_id,
            "experiment_unit": assignment.unit,
        }
    return orjson.dumps(_present(fields)).decode()


def usage_json(usage: Usage | None) -> dict[str, int] | None:
    """The buckets that are set."""
    return None if usage is None else {name: count for name, count in usage if count is not None}


def published_record(record: str, revision: int, started_at: datetime) -> bytes:
    """The body of `llm.call.recorded`: the stored record with its revision and the start of the attempt."""
    return f'{{"revision":{revision},"started_at":"{rfc3339(started_at)}",{record[1:]}'.encode()


def total_cost(costs: Sequence[tuple[Decimal | None, str]]) -> tuple[Decimal | None, CostState]:
    """The cost of a whole request: null when an attempt has no price; estimated when one of them is."""
    state: CostState = "estimated" if any(s == "estimated" for _, s in costs) else "settled"
    if any(usd is None for usd, _ in costs):
        return None, state
    return money.total(usd for usd, _ in costs if usd is not None), state


def _present(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
