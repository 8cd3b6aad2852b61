"""The numbers that the ledger shows at `/metrics`."""

import shutil
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram

EVENTS = Counter("observatory_ledger_events_total", "Records of llm.calls that were applied")
DEAD_LETTERS = Counter("observatory_ledger_dead_letters_total", "Records that could not be a fact")
FENCED = Counter("observatory_ledger_fenced_batches_total", "Batches dropped because another ledger moved the offsets")
LOST_RECORDS = Counter("observatory_ledger_lost_records_total", "Records that the broker no longer had when asked for")
NEW_LOGS = Counter("observatory_ledger_new_logs_total", "Partitions whose log was found to be made anew")
BATCH_RECORDS = Histogram(
    "observatory_ledger_batch_records", "Records in a batch", buckets=(1, 10, 100, 500, 1000, 2000, 5000)
)
BATCH_SECONDS = Histogram(
    "observatory_ledger_batch_seconds",
    "Time from a decoded batch to its commit",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
LAG = Gauge("observatory_ledger_lag_records", "Records on the broker that are not applied, in our partitions")
WATERMARK_AGE = Gauge("observatory_ledger_watermark_age_seconds", "Age of the watermark over our partitions")
ALERTS_RAISED = Counter("observatory_ledger_alerts_raised_total", "Alerts that were raised", ["kind"])
ALERTS_RESOLVED = Counter("observatory_ledger_alerts_resolved_total", "Alerts that were resolved", ["kind"])
ALERT_FAILURES = Counter("observatory_ledger_alert_failures_total", "Looks at budgets and prices that failed")
ALERT_LOOK_SECONDS = Histogram(
    "observatory_ledger_alert_look_seconds",
    "Time of a look at budgets and prices",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30),
)
ROLLED = Counter("observatory_ledger_rolled_total", "Hours and days that were summed")
DISK_FREE = Gauge("observatory_disk_free_bytes", "Free in the file system that the stack's data folder is in")
DISK_SIZE = Gauge("observatory_disk_size_bytes", "Size of the file system that the stack's data folder is in")


def watch_disk(folder: Path) -> None:
    """Has both asked whenever they are shown."""
    DISK_FREE.set_function(lambda: shutil.disk_usage(folder).free)
    DISK_SIZE.set_function(lambda: shutil.disk_usage(folder).total)
