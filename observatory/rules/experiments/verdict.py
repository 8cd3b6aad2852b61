"""The verdict on an experiment in words: a sentence for each thing that may be said."""

from collections.abc import Sequence

from observatory.rules.experiments.analysis import Analysis, Comparison
from schemas.experiments import ExperimentDefinition, Metric

_NAMES: dict[Metric, str] = {
    "cost": "cost", "latency": "latency", "errors": "error rate", "feedback": "feedback",
}  # fmt: skip
_VERBS: dict[Metric, tuple[str, str]] = {
    "cost": ("costs {} less", "costs {} more"),
    "latency": ("is {} faster", "is {} slower"),
    "errors": ("fails {} less often", "fails {} more often"),
    "feedback": ("is rated {} lower", "is rated {} higher"),
}


def verdict(analysis: Analysis) -> list[str]:
    """The sentences, a doubt about the split first: it concerns all the others."""
    said = []
    if not analysis.split_is_right:
        said.append(f"The traffic split is not what was configured ({_split(analysis)}): do not trust what follows.")
    said += [sentence(compared, analysis.definition) for compared in analysis.comparisons]
    return said


def _split(analysis: Analysis) -> str:
    seen = ", ".join(f"{one.name} {one.exposed:,}" for one in analysis.variants)
    wanted = " : ".join(str(variant.weight) for variant in analysis.definition.variants)
    return f"{seen} units, configured {wanted}"


def sentence(compared: Comparison, definition: ExperimentDefinition) -> str:
    """What one comparison says."""
    variant, name = f"Variant {compared.variant}", _NAMES[compared.metric]
    if compared.conclusion == "too_few_units":
        units = f"{compared.units:,} and {compared.control_units:,}"
        return f"{variant}, {name}: too few units to tell ({units} of {definition.min_units:,} each)."
    if compared.conclusion == "no_difference_seen":
        return f"{variant}, {name}: no difference seen ({_sequence(compared, definition)})."
    less_more = _VERBS[compared.metric]
    amount, signed = _amount(compared)
    verb = less_more[signed > 0].format(amount)
    return f"{variant} {verb} than {definition.control_name} ({_sequence(compared, definition)})."


def _amount(compared: Comparison) -> tuple[str, float]:
    """How much, without a sign, and the same as a number with one."""
    points = compared.metric in ("errors", "feedback")
    if compared.change is not None and not points:
        return f"{abs(compared.change) * 100:.1f} %", compared.change
    difference = compared.difference or 0.0
    if points:
        return f"{abs(difference) * 100:.1f} points", difference
    unit = "USD" if compared.metric == "cost" else "ms"
    return f"{abs(difference):.3g} {unit}", difference


def _sequence(compared: Comparison, definition: ExperimentDefinition) -> str:
    """The confidence sequence; of a difference that was found without signs, its smaller end first."""
    kind = f"{_number((1 - definition.level) * 100)} % confidence sequence"
    points = compared.metric in ("errors", "feedback")
    if compared.change_interval is not None and not points:
        ends: Sequence[float] = [end * 100 for end in compared.change_interval]
        unit = "%"
    elif compared.difference_interval is not None:
        ends = [end * 100 if points else end for end in compared.difference_interval]
        unit = "points" if points else "USD" if compared.metric == "cost" else "ms"
    else:
        return kind
    if compared.conclusion == "no_difference_seen" or ends[0] <= 0 <= ends[1]:
        return f"{kind} {_signed(ends[0])} to {_signed(ends[1])} {unit}"
    low, high = sorted(abs(end) for end in ends)
    return f"{kind} {_number(low)}–{_number(high)} {unit}"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0") if abs(value) >= 1 else f"{value:.3g}"


def _signed(value: float) -> str:
    text = _number(abs(value))
    return text if value == 0 else f"−{text}" if value < 0 else f"+{text}"
