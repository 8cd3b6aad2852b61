"""Every fold and every relay that the stream workers run."""

from streams.engine.fold import Relay
from streams.engine.states import AnyFold
from streams.feedback.routing import FEEDBACK_ROUTING
from streams.folds.conversations import CONVERSATIONS
from streams.folds.experiment_requests import EXPERIMENT_REQUESTS
from streams.folds.experiment_units import EXPERIMENT_UNITS
from streams.folds.feedback import FEEDBACK
from streams.folds.quality import QUALITY
from streams.folds.recent_calls import RECENT_CALLS
from streams.folds.requests import REQUESTS
from streams.folds.traces import TRACES
from streams.folds.users import USERS
from streams.folds.windows import WINDOWS

FOLDS: tuple[AnyFold, ...] = (
    RECENT_CALLS,
    WINDOWS,
    TRACES,
    REQUESTS,
    QUALITY,
    CONVERSATIONS,
    USERS,
    FEEDBACK,
    EXPERIMENT_REQUESTS,
    EXPERIMENT_UNITS,
)
RELAYS: tuple[Relay, ...] = (FEEDBACK_ROUTING,)

STREAMED_TOPICS: tuple[str, ...] = tuple(
    sorted({topic.name for fold in FOLDS for topic in fold.inputs} | {relay.input.name for relay in RELAYS})
)
