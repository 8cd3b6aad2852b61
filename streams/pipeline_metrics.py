"""The pipeline as a whole, as the stream worker that leads shows it at `/metrics`; in others these stand still.

So they are read together with `observatory_stream_leading`, as the recording rules in `infra/prometheus` do.
"""

from collections.abc import Iterable

from prometheus_client import Gauge

from observatory.adapters.lag import Lag
from observatory.adapters.postgres.freshness import by_sink
from observatory.adapters.postgres.pipeline import Pipeline

OUTBOX = Gauge("observatory_outbox_waiting", "Rows that the broker has not acknowledged yet", ["what"])
OUTBOX_AGE = Gauge("observatory_outbox_oldest_seconds", "Since when the oldest of them waits", ["what"])
UNKNOWN_CALLS = Gauge("observatory_unknown_calls", "Attempts of unknown outcome that are not reconciled")
ALERTS = Gauge("observatory_alerts_standing", "Alerts that are raised and not resolved", ["kind", "severity"])
BUDGET_USED = Gauge(
    "observatory_budget_used_ratio",
    "Share of a budget's limit that is spent or held, of those most used",
    ["tenant", "budget", "hard"],
)
COMPLETE_UNTIL = Gauge(
    "observatory_complete_until_timestamp_seconds",
    "Up to when a sink has applied every partition of a topic; missing while one was never read",
    ["sink", "topic"],
)
DATABASE_BYTES = Gauge("observatory_database_bytes", "Size of the database")
LOOKED_AT = Gauge("observatory_pipeline_looked_at_timestamp_seconds", "When all this was last asked")
LAG = Gauge("observatory_consumer_lag_records", "Records that a group has not committed yet", ["group", "topic"])
LETTERS = Gauge("observatory_dead_letters_waiting", "Dead letters that were not sent again", ["topic"])


def show(found: Pipeline, now: float) -> None:
    """Replaces what was shown; what is gone is shown no more."""
    for gauge in (OUTBOX, OUTBOX_AGE, ALERTS, BUDGET_USED, COMPLETE_UNTIL):
        gauge.clear()
    for rows in found.outbox:
        OUTBOX.labels(rows.what).set(rows.waiting)
        OUTBOX_AGE.labels(rows.what).set(rows.oldest_s)
    UNKNOWN_CALLS.set(found.unknown_calls)
    for standing in found.alerts:
        ALERTS.labels(standing.kind, standing.severity).set(standing.alerts)
    for budget in found.budgets:
        BUDGET_USED.labels(budget.tenant_id, budget.budget_id, str(budget.hard).lower()).set(budget.used_ratio)
    for (sink, topic), moment in by_sink(found.reached).items():
        if moment is not None:
            COMPLETE_UNTIL.labels(sink, topic).set(moment.timestamp())
    DATABASE_BYTES.set(found.database_bytes)
    LOOKED_AT.set(now)


def show_lags(working: Iterable[Lag], letters: Iterable[Lag]) -> None:
    """Replaces what was shown."""
    LAG.clear()
    LETTERS.clear()
    for lag in working:
        LAG.labels(lag.group, lag.topic).set(lag.records)
    for lag in letters:
        LETTERS.labels(lag.topic).set(lag.records)
