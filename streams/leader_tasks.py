"""Every task that one stream worker does for all."""

from streams.leading import LeaderTask
from streams.live import LIVE

TASKS: tuple[LeaderTask, ...] = (LIVE,)
