"""Every fold and every relay that the stream workers run."""

from observatory.adapters.settings import SettingsError
from streams.engine.fold import Relay
from streams.engine.states import AnyFold
from streams.feedback.routing import FEEDBACK_ROUTING
from streams.folds.conversations import CONVERSATIONS
from streams.folds.experiment_requests import EXPERIMENT_REQUESTS
from streams.folds.experiment_units import EXPERIMENT_UNITS
from streams.folds.feedback import FEEDBACK
from streams.folds.quality import QUALITY, UNATTACHED
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
    UNATTACHED,
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


def chosen(names: str) -> tuple[tuple[AnyFold, ...], tuple[Relay, ...]]:
    """The processors and relays of these names, with commas between them; all for no name.

    Raises `SettingsError` for a name that is none, and for a fold without the one that derives to it or without those
    to which it derives: their states move in one transaction.
    """
    wanted = {name for name in names.split(",") if name}
    if not wanted:
        return FOLDS, RELAYS
    known = {fold.name for fold in FOLDS} | {relay.name for relay in RELAYS}
    if unknown := wanted - known:
        raise SettingsError(
            f"OBSERVATORY_STREAMS_ONLY: {', '.join(sorted(unknown))}: not one of {', '.join(sorted(known))}"
        )
    for fold in FOLDS:
        if fold.parent and (fold.name in wanted) != (fold.parent in wanted):
            raise SettingsError(f"OBSERVATORY_STREAMS_ONLY: {fold.name} and {fold.parent} run together")
    return tuple(f for f in FOLDS if f.name in wanted), tuple(r for r in RELAYS if r.name in wanted)
