"""Looks every quarter of an hour over the last days for what could be saved, and keeps it for whoever asks."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from observatory.adapters.kafka import Publisher, topic_name
from observatory.adapters.postgres.experiment_results import results_of
from observatory.adapters.postgres.experiments import Experiments
from observatory.adapters.postgres.ledger import watermark
from observatory.adapters.postgres.pool import Pool
from observatory.adapters.postgres.prices import load_book
from observatory.adapters.postgres.recommendations import OF_A_TENANT, PERIOD_DAYS, Figures, Run, keep
from observatory.adapters.postgres.waste import WasteQuery, WasteRow, read_waste_of_tenants
from observatory.adapters.settings import Settings
from observatory.rules.cheaper_models import Cheaper, cheaper_model, shown_cheaper
from observatory.rules.context_caching import cache_context
from observatory.rules.money import total
from observatory.rules.pricing import Prices
from observatory.rules.recommendations import (
    Failures,
    Recommendation,
    avoid_failures,
    cache_answers,
    with_calls,
    worth_it,
)
from schemas.topics import LLM_CALLS
from streams.leading import LeaderTask

EVERY_S = 900.0
MOST_TENANTS = 100
"""Of how many the failures are looked into, those with the dearest first."""

MOST_EXPERIMENTS = 200
SINK = "ledger"


async def turn(pool: Pool, _publisher: Publisher, settings: Settings) -> None:
    """Looks once; nothing before the ledger has read every partition."""
    await recommend(pool, topic_name(settings.kafka, LLM_CALLS), datetime.now(UTC))


async def recommend(pool: Pool, topic: str, now: datetime, days: int = PERIOD_DAYS) -> None:
    """Finds what could have been saved in the last `days` that the facts are complete for, and keeps it."""
    complete_until = await watermark(pool, SINK, topic)
    if complete_until is None:
        return
    ended = min(complete_until, now).astimezone(UTC).replace(second=0, microsecond=0)
    run = Run(ended - timedelta(days=days), ended, complete_until, now)
    figures, prices = Figures(pool, run.began, run.ended), await load_book(pool)
    found = [
        *await _answers(figures, days),
        *await _contexts(figures, prices, days),
        *await _failures(pool, run, days),
        *await _models(pool, figures, prices, days),
    ]
    await keep(pool, run, worth_it(found, OF_A_TENANT))


async def _answers(figures: Figures, days: int) -> list[Recommendation]:
    found = worth_it(cache_answers(await figures.repeated_prompts(), days), OF_A_TENANT)
    return _with_calls(found, await figures.calls_of_prompts([_named(one) for one in found]))


async def _contexts(figures: Figures, prices: Prices, days: int) -> list[Recommendation]:
    contexts = await figures.uncached_contexts()
    found = worth_it(await asyncio.to_thread(cache_context, contexts, prices, days), OF_A_TENANT)
    return _with_calls(found, await figures.largest_calls([_named(one) for one in found]))


def _named(one: Recommendation) -> Sequence[str]:
    return one.tenant_id, *one.subject.values()


def _with_calls(found: Iterable[Recommendation], calls: Mapping[Sequence[str], Sequence[str]]) -> list[Recommendation]:
    return [with_calls(one, calls.get(_named(one), ())) for one in found]


async def _failures(pool: Pool, run: Run, days: int) -> list[Recommendation]:
    wasted: dict[str, list[WasteRow]] = {}
    for tenant, row in await read_waste_of_tenants(pool, WasteQuery(since=run.began, until=run.ended)):
        wasted.setdefault(tenant, []).append(row)
    costs = {tenant: total(row.cost_usd for row in rows) for tenant, rows in wasted.items()}
    dearest = sorted((tenant for tenant in costs if costs[tenant] > 0), key=lambda tenant: -costs[tenant])
    found = [
        Failures(
            tenant_id=tenant,
            cause=row.key,
            calls=row.calls,
            cost_usd=row.cost_usd,
            estimated_cost_usd=row.estimated_cost_usd,
        )
        for tenant in dearest[:MOST_TENANTS]
        for row in wasted[tenant]
        if row.key is not None
    ]
    return avoid_failures(found, days)


async def _models(pool: Pool, figures: Figures, prices: Prices, days: int) -> list[Recommendation]:
    shown = await _shown(pool)
    if not shown:
        return []
    use = await figures.use_of_models(sorted({(one.tenant_id, one.instead_of) for one in shown}))
    found = [cheaper_model(one, use, prices, days) for one in shown]
    return [one for one in found if one is not None]


async def _shown(pool: Pool) -> Sequence[Cheaper]:
    """What experiments have shown, the latest first; of one model of a tenant the latest only."""
    known = [one for one in await Experiments(pool).list(None, None) if one.started_at is not None]
    known.sort(key=lambda one: one.started_at or one.created_at, reverse=True)
    shown: dict[tuple[str, str], Cheaper] = {}
    for experiment in known[:MOST_EXPERIMENTS]:
        results = await results_of(pool, experiment)
        cheaper = shown_cheaper(experiment.tenant_id, experiment.experiment_id, results.analysis)
        if cheaper is not None:
            shown.setdefault((cheaper.tenant_id, cheaper.instead_of), cheaper)
    return list(shown.values())


RECOMMENDATIONS = LeaderTask(name="recommendations", every_s=EVERY_S, turn=turn)
