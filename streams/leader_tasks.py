"""Every task that one stream worker does for all."""

from streams.anomalies import ANOMALIES
from streams.leading import LeaderTask
from streams.live import LIVE
from streams.pipeline import LAGS, PIPELINE
from streams.provider_health import HEALTH
from streams.recommending import RECOMMENDATIONS

TASKS: tuple[LeaderTask, ...] = (LIVE, ANOMALIES, HEALTH, RECOMMENDATIONS, PIPELINE, LAGS)
