"""What makes an experiment possible, and what may still be changed of one that runs."""

from observatory.rules.limits import OutOfLimits, check_parameters
from schemas.experiments import ExperimentDefinition, Variant

CHANGEABLE = ("traffic", "variants")
"""Of a running experiment, of the variants their weights alone."""

_RESERVED = frozenset({"messages", "model", "stream", "n"})
"""Parameters that would change what the worker itself decides."""

SETTLE_S = {"request": 120.0, "conversation": 1800.0, "user": 86_400.0}
"""By unit, where a definition does not say: how long after its first call it counts.

By the age alone, so that no variant's units are left out because they took longer, failed later or went on.
"""


class BadExperiment(ValueError):
    """An experiment that cannot be; the message says what is wrong with it."""


def check_definition(definition: ExperimentDefinition) -> None:
    """Raises `BadExperiment`."""
    names = [variant.name for variant in definition.variants]
    if len(set(names)) != len(names):
        raise BadExperiment("variants: each variant has a name of its own")
    if definition.control is not None and definition.control not in names:
        raise BadExperiment(f"control: there is no variant {definition.control!r}; there are {', '.join(names)}")
    if len(set(definition.metrics)) != len(definition.metrics):
        raise BadExperiment("metrics: each metric once")
    _check_weights(definition)
    for variant in definition.variants:
        overrides = variant.overrides
        changed = overrides.model_dump(exclude_none=True, exclude={"prompt_version"})
        if definition.assigned_by == "client" and changed:
            raise BadExperiment(f"variant {variant.name!r}: a client that assigns itself also makes the changes itself")
        if overrides.system_prompt is not None and overrides.prompt_version is None:
            raise BadExperiment(f"variant {variant.name!r}: a system_prompt needs a prompt_version to be known by")
        _check_parameters(variant.name, overrides.parameters or {})


def _check_weights(definition: ExperimentDefinition) -> None:
    weights = {variant.name: variant.weight for variant in definition.variants}
    if not any(weights.values()):
        raise BadExperiment("variants: at least one weight is above 0")


def _check_parameters(variant: str, parameters: dict[str, object]) -> None:
    if found := sorted(_RESERVED & parameters.keys()):
        raise BadExperiment(f"variant {variant!r}: parameters may not set {', '.join(found)}")
    try:
        check_parameters(parameters)
    except OutOfLimits as error:
        raise BadExperiment(f"variant {variant!r}: {error}") from error


def check_change(old: ExperimentDefinition, new: ExperimentDefinition) -> None:
    """Whether a running experiment may become that: other shares, nothing else. Raises `BadExperiment`."""
    check_definition(new)
    fields = [name for name in type(new).model_fields if name not in CHANGEABLE]
    changed = [name for name in fields if getattr(old, name) != getattr(new, name)]
    if changed:
        raise BadExperiment(
            f"of a running experiment only traffic and weights can be changed, not {', '.join(changed)}"
        )
    if [_without_weight(v) for v in old.variants] != [_without_weight(v) for v in new.variants]:
        raise BadExperiment("of a running experiment's variants only the weights can be changed")


def _without_weight(variant: Variant) -> Variant:
    return variant.model_copy(update={"weight": 1})


def settle_s(definition: ExperimentDefinition) -> float:
    """How long after its first call a unit counts, in seconds."""
    return SETTLE_S[definition.unit] if definition.settle_s is None else definition.settle_s
