"""Which variant a unit gets: the same in every process and at every time, without a memory.

Every variant draws a time from the exponential distribution whose rate is its weight, out of a hash of experiment,
salt, unit and variant; the earliest has the unit (rendezvous hashing with weights). A variant wins with the probability
of its share. When one weight is changed, the draws of the others stay: units move only to or from the variant that
changed, and no fewer can move. Whether a unit takes part at all is another hash: more traffic keeps those who did.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from math import inf, log

from pydantic import TypeAdapter, ValidationError

from schemas.base import Name
from schemas.chat import ChatRequested
from schemas.experiments import Experiment, ExperimentDefinition, Unit

EXPERIMENT_TAG, VARIANT_TAG, UNIT_TAG, PROMPT_TAG = "experiment_id", "variant_id", "experiment_unit", "prompt_version"
"""Tags by which a client says what it has assigned itself; the first two go together."""

_NAME: TypeAdapter[str] = TypeAdapter(Name)
_TRAFFIC = "traffic"
_BITS = 53


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What a request's calls are counted under. `version` None: the client named an experiment that we do not know.

    `own`: the client's doing; nothing of its request is changed.
    """

    experiment_id: str
    version: int | None
    variant_id: str
    unit: str
    prompt_version: str | None = None
    own: bool = False


def assign(request: ChatRequested, running: Iterable[Experiment]) -> Assignment | None:
    """The assignment of a request: what its client says, else the first of its tenant's experiments that takes it.

    `running` are those of the request's tenant in the order in which they were started: a request is in one at most.
    """
    tags = request.tags or {}
    if EXPERIMENT_TAG in tags and VARIANT_TAG in tags:
        return _told(request, running)
    for experiment in running:
        if (assignment := _assigned(request, experiment)) is not None:
            return assignment
    return None


def unit_of(request: ChatRequested, unit: Unit) -> str | None:
    """What is randomised; None where the request has none."""
    if unit == "request":
        return str(request.request_id)
    return request.conversation_id if unit == "conversation" else request.user_id


def is_eligible(request: ChatRequested, definition: ExperimentDefinition) -> bool:
    """Whether the request is one of those that the experiment is about."""
    wanted, tags = definition.eligibility, request.tags or {}
    if wanted.models and request.model not in wanted.models:
        return False
    return all(tags.get(name) == value for name, value in wanted.tags.items())


def prompt_version_of(request: ChatRequested, assignment: Assignment | None) -> str | None:
    """Which prompt a request is made with: its variant's, else the one that its client named by a tag."""
    if assignment is not None and assignment.prompt_version is not None:
        return assignment.prompt_version
    named = (request.tags or {}).get(PROMPT_TAG)
    return named if named is not None and _is_name(named) else None


def _is_name(text: str) -> bool:
    try:
        _NAME.validate_python(text)
    except ValidationError:
        return False
    return True


def takes_part(experiment: Experiment, unit: str) -> bool:
    """Whether the unit is in the share of the traffic."""
    return _uniform(experiment, unit, _TRAFFIC, "") < experiment.definition.traffic


def variant_of(experiment: Experiment, unit: str) -> str | None:
    """The variant of a unit; None when every weight is 0."""
    chosen, earliest = None, inf
    for variant in experiment.definition.variants:
        if variant.weight > 0:
            drawn = -log(_uniform(experiment, unit, "variant", variant.name)) / variant.weight
            if drawn < earliest:
                chosen, earliest = variant.name, drawn
    return chosen


def _assigned(request: ChatRequested, experiment: Experiment) -> Assignment | None:
    definition = experiment.definition
    unit = unit_of(request, definition.unit)
    if definition.assigned_by != "worker" or unit is None or not is_eligible(request, definition):
        return None
    if not takes_part(experiment, unit) or (name := variant_of(experiment, unit)) is None:
        return None
    variant = definition.variant(name)
    return Assignment(
        experiment_id=experiment.experiment_id,
        version=experiment.version,
        variant_id=name,
        unit=unit,
        prompt_version=variant.overrides.prompt_version if variant else None,
    )


def _told(request: ChatRequested, running: Iterable[Experiment]) -> Assignment | None:
    """What the tags say; None when they are no names."""
    tags = request.tags or {}
    experiment_id, variant_id, unit = tags[EXPERIMENT_TAG], tags[VARIANT_TAG], tags.get(UNIT_TAG)
    if not all(_is_name(text) for text in (experiment_id, variant_id, unit) if text is not None):
        return None
    known = next((e for e in running if e.experiment_id == experiment_id), None)
    if unit is None:
        unit = (unit_of(request, known.definition.unit) if known else request.conversation_id) or str(
            request.request_id
        )
    return Assignment(
        experiment_id=experiment_id,
        version=known.version if known else None,
        variant_id=variant_id,
        unit=unit,
        own=True,
    )


def _uniform(experiment: Experiment, unit: str, purpose: str, variant: str) -> float:
    """A number between 0 and 1, neither included, that depends on nothing else."""
    digest = blake2b(digest_size=8)
    for part in (experiment.tenant_id, experiment.experiment_id, experiment.definition.salt, purpose, variant, unit):
        text = part.encode(errors="surrogatepass")
        digest.update(len(text).to_bytes(4, "big"))
        digest.update(text)
    return ((int.from_bytes(digest.digest(), "big") >> (64 - _BITS)) + 0.5) / 2.0**_BITS
