"""What could be saved, each with its evidence: pure rules over figures that were read from the facts.

A saving is in US dollars in 30 days: the exact amount of the period that was looked at, times 30 over its days, which
must divide 30, so that nothing is rounded. Where something is not known, the smaller saving is stated.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from observatory.rules.money import MONEY
from schemas.http_recommendations import RecommendationKind

MONTH_DAYS = 30
LEAST_SAVING_USD = Decimal("0.01")
"""In 30 days: less is not worth anybody's time."""

Scalar = str | int | float | Decimal | datetime | None
Evidence = Mapping[str, Scalar | Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """What to change and why; `saving_usd` in 30 days."""

    kind: RecommendationKind
    tenant_id: str
    subject: Mapping[str, str]
    saving_usd: Decimal
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedPrompt:
    """Answered calls with the same prompt, and what they cost together and the dearest of them alone."""

    tenant_id: str
    provider: str
    model: str
    prompt_hash: str
    calls: int
    cost_usd: Decimal
    dearest_usd: Decimal
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """What attempts of one cause cost that gave no answer to anybody; what is estimated is a part of it."""

    tenant_id: str
    cause: str
    calls: int
    cost_usd: Decimal
    estimated_cost_usd: Decimal


def in_a_month(amount_usd: Decimal, days: int) -> Decimal:
    """The amount of so many days as one of 30 days, exactly. Raises `ValueError` for days that do not divide 30."""
    if days < 1 or MONTH_DAYS % days:
        raise ValueError(f"{days} days do not divide {MONTH_DAYS}")
    return MONEY.multiply(amount_usd, MONTH_DAYS // days)


def worth_it(found: Iterable[Recommendation], most: int) -> list[Recommendation]:
    """Those that save something, the largest saving first, at most so many of a tenant and kind."""
    ordered = sorted(found, key=lambda one: (one.tenant_id, one.kind, -one.saving_usd, sorted(one.subject.items())))
    kept = []
    for _, same in groupby(ordered, key=lambda one: (one.tenant_id, one.kind)):
        kept += [one for one in list(same)[:most] if one.saving_usd >= LEAST_SAVING_USD]
    return sorted(kept, key=lambda one: -one.saving_usd)


def cache_answers(prompts: Iterable[RepeatedPrompt], days: int) -> list[Recommendation]:
    """The same prompt was answered again and again: kept answers would have saved all calls but one, the dearest."""
    return [
        Recommendation(
            kind="cache_answers",
            tenant_id=prompt.tenant_id,
            subject={"provider": prompt.provider, "model": prompt.model, "prompt_hash": prompt.prompt_hash},
            saving_usd=in_a_month(MONEY.subtract(prompt.cost_usd, prompt.dearest_usd), days),
            evidence={
                "calls": prompt.calls,
                "cost_usd": prompt.cost_usd,
                "dearest_call_usd": prompt.dearest_usd,
                "first_at": prompt.first_at,
                "last_at": prompt.last_at,
            },
        )
        for prompt in prompts
    ]


def avoid_failures(failures: Iterable[Failures], days: int) -> list[Recommendation]:
    """Attempts were paid that gave no answer. Only what is settled counts: what is estimated may turn out unpaid."""
    return [
        Recommendation(
            kind="avoid_failures",
            tenant_id=one.tenant_id,
            subject={"cause": one.cause},
            saving_usd=in_a_month(MONEY.subtract(one.cost_usd, one.estimated_cost_usd), days),
            evidence={
                "calls": one.calls,
                "cost_usd": one.cost_usd,
                "estimated_cost_usd": one.estimated_cost_usd,
            },
        )
        for one in failures
    ]


def with_calls(one: Recommendation, call_ids: Sequence[str]) -> Recommendation:
    """The recommendation with some of the calls that it is about, to be looked at."""
    return replace(one, evidence={**one.evidence, "look_at": list(call_ids)})


_ADVICE: Mapping[RecommendationKind, str] = {
    "cache_answers": "Keep the answer and give it again: the same prompt was sent to {model} {calls} times.",
    "cache_context": "Have the provider cache the context: {repeated_tokens} of the {input_tokens} tokens that calls "
    "to {model} sent had been sent by the call before, and none was read from its cache.",
    "cheaper_model": "Use {instead} instead of {model}: it costs less and is as good, as experiment {experiment_id} "
    "shows.",
    "avoid_failures": "Find out why calls end as {cause}: {calls} attempts were made that gave no answer.",
}


def advice(kind: RecommendationKind, subject: Mapping[str, str], evidence: Mapping[str, object]) -> str:
    """What to do, in one sentence."""
    return _ADVICE[kind].format_map({**evidence, **subject})
