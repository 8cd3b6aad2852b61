"""Every task that one stream worker does for all."""

from streams.leading import LeaderTask

TASKS: tuple[LeaderTask, ...] = ()
