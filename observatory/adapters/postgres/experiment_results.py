"""Reads what came of an experiment's units and draws the conclusions.

May raise one of `pool.TRANSIENT` while the database is away.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from asyncpg import Record

from observatory.adapters.postgres.ledger import watermark
from observatory.adapters.postgres.pool import Pool
from observatory.adapters.postgres.queries import load_queries
from observatory.rules.experiments.analysis import Analysis, Values, VariantFigures, analyse
from observatory.rules.experiments.definition import settle_s
from schemas.experiments import Experiment
from schemas.topics import FEEDBACK_ROUTED, LLM_CALLS

_SQL = load_queries(__package__, "experiment_results.sql")
SINK = "streams.experiment_requests"
_QUERY_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What is known up to `watermark` (None: a partition was never read). `young_units` do not count yet, see
    `settle_s` of the definition; `mixed_units` had calls in several variants, `unknown_units` in one that the
    definition lacks: they never will."""

    experiment: Experiment
    analysis: Analysis
    watermark: datetime | None
    young_units: int
    mixed_units: int
    unknown_units: int


async def read_until(pool: Pool) -> datetime | None:
    """Up to when every call and every rating is in the results; None while a partition was never read."""
    known = [await watermark(pool, SINK, topic.name) for topic in (LLM_CALLS, FEEDBACK_ROUTED)]
    complete = [moment for moment in known if moment is not None]
    return min(complete) if len(complete) == len(known) else None


async def results_of(pool: Pool, experiment: Experiment) -> Results:
    """Of the experiment's current version."""
    definition = experiment.definition
    until = await read_until(pool)
    oldest = until or experiment.created_at
    counts_until = oldest - timedelta(seconds=settle_s(definition))
    versions = [experiment.version, *([0] if definition.assigned_by == "client" else [])]
    counts_us = int(counts_until.timestamp() * 1_000_000)
    alone = definition.assigned_by == "worker" and definition.unit != "user"
    units = _SQL["units_in_one_partition" if alone else "units_anywhere"]
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        await connection.execute(_SQL["for_many_units"])
        rows = await connection.fetch(
            f"{units}\n{_SQL['variants']}", experiment.tenant_id, experiment.experiment_id, versions, counts_us,
            timeout=_QUERY_S,
        )  # fmt: skip
    named = [row for row in rows if row["variant_id"] is not None and definition.variant(row["variant_id"])]
    mixed = [row for row in rows if row["variant_id"] is None]
    return Results(
        experiment=experiment,
        analysis=analyse(definition, [_figures(row) for row in named]),
        watermark=until,
        young_units=sum(row["young"] for row in named),
        mixed_units=sum(row["exposed"] + row["young"] for row in mixed),
        unknown_units=sum(row["exposed"] + row["young"] for row in rows if row not in named and row not in mixed),
    )


def _figures(row: Record) -> VariantFigures:
    def values(metric: str) -> Values:
        return Values(row[f"{metric}_units"], row[f"{metric}_total"], row[f"{metric}_squares"])

    return VariantFigures(
        name=row["variant_id"],
        exposed=row["exposed"],
        requests=row["requests"],
        calls=row["calls"],
        cost_usd=row["cost_usd"],
        unpriced_units=row["unpriced_units"],
        values={
            "cost": values("cost"),
            "latency": values("latency"),
            "errors": values("errors"),
            "feedback": values("feedback"),
        },
    )
