"""Every fold and every relay that the stream workers run."""

from streams.engine.fold import Relay
from streams.engine.states import AnyFold
from streams.folds.recent_calls import RECENT_CALLS
from streams.folds.traces import TRACES
from streams.folds.windows import WINDOWS

FOLDS: tuple[AnyFold, ...] = (RECENT_CALLS, WINDOWS, TRACES)
RELAYS: tuple[Relay, ...] = ()

STREAMED_TOPICS: tuple[str, ...] = tuple(
    sorted({topic.name for fold in FOLDS for topic in fold.inputs} | {relay.input.name for relay in RELAYS})
)
