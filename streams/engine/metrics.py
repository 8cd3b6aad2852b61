"""What the stream processors count."""

from prometheus_client import Counter, Gauge, Histogram

EVENTS = Counter("observatory_stream_events_total", "Events that changed or could change a state", ["fold"])
BATCH_SECONDS = Histogram("observatory_stream_batch_seconds", "From a batch's arrival to its commit")
DEAD_LETTERS = Counter("observatory_stream_dead_letters_total", "Records that could not be read", ["topic"])
FAILED = Counter("observatory_stream_fold_failures_total", "Events on which a fold raised", ["fold"])
FENCED = Counter("observatory_stream_fenced_total", "Batches dropped because another process moved the offsets")
GAPS = Counter("observatory_stream_gaps_total", "Times that records were read again from the stored offset")
LOST_RECORDS = Counter("observatory_stream_lost_records_total", "Records that the broker deleted unread")
LAG = Gauge("observatory_stream_lag_records", "Records not applied yet, of the slowest fold", ["topic"])
LEADING = Gauge("observatory_stream_leading", "Whether this process does what only one does")
ANOMALY_SERIES = Gauge(
    "observatory_anomaly_series", "Series, a tenant's calls to a model, that are watched for anomalies"
)
ANOMALY_CALLS_LEFT_OUT = Counter("observatory_anomaly_calls_left_out_total", "Calls of series that found no place")
ANOMALIES_RAISED = Counter("observatory_anomalies_raised_total", "Alarms raised", ["metric"])
