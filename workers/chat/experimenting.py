"""Which variant of which experiment a request gets, decided by the first claim and kept with it.

Who takes a request over, with whatever experiments he knows, goes on with what the first claim decided: variants never
mix within a request, and what its calls are counted under is what was done.
"""

import orjson

from observatory.adapters.live_experiments import LiveExperiments
from observatory.rules.experiments.assignment import Assignment, assign
from observatory.rules.experiments.overrides import overridden
from schemas.chat import ChatRequested
from schemas.experiments import ExperimentDefinition


class Experimenting:
    """Assigns requests and applies what their variants change."""

    def __init__(self, live: LiveExperiments) -> None:
        self._live = live

    def assign(self, request: ChatRequested) -> Assignment | None:
        """The assignment of a request that nobody has claimed before."""
        return assign(request, self._live.of(request.tenant_id))

    def applied_now(self, request: ChatRequested, assignment: Assignment | None) -> ChatRequested:
        """The request as its variant has it sent, right after it was assigned."""
        if assignment is None or assignment.own or assignment.version is None:
            return request
        known = self._live.known(request.tenant_id, assignment.experiment_id, assignment.version)
        return _applied(request, assignment, known)

    async def applied(self, request: ChatRequested, assignment: Assignment | None) -> ChatRequested:
        """The same at any time, for a request that may have been assigned long ago and elsewhere."""
        if assignment is None or assignment.own or assignment.version is None:
            return request
        named = (request.tenant_id, assignment.experiment_id, assignment.version)
        return _applied(request, assignment, await self._live.definition(*named))


def _applied(request: ChatRequested, assignment: Assignment, definition: ExperimentDefinition | None) -> ChatRequested:
    variant = definition.variant(assignment.variant_id) if definition else None
    if variant is None:
        # Versions are kept for ever: to go on without its changes would count the call under what was not done.
        raise LookupError(f"experiment {assignment.experiment_id!r} has no variant {assignment.variant_id!r}")
    return overridden(request, variant.overrides)


def as_text(assignment: Assignment | None) -> str | None:
    """How the journal keeps it."""
    return None if assignment is None else orjson.dumps(assignment).decode()


def from_text(text: str | None) -> Assignment | None:
    """What the journal kept."""
    return None if text is None else Assignment(**orjson.loads(text))
