"""What the units of an experiment tell: each metric of each variant against the control, at a level shared by all.

The level of the experiment is divided evenly among all comparisons (variants but the control, times metrics), so the
chance that any of them is ever wrong is at most the level, however often one looks (Bonferroni; the comparisons depend
on each other, which this allows).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal

from observatory.rules.experiments import means
from observatory.rules.experiments.means import Interval, Sample
from observatory.rules.experiments.split import LEVEL as SPLIT_LEVEL
from observatory.rules.experiments.split import split_p_value
from schemas.experiments import ExperimentDefinition, Metric

Conclusion = Literal["better", "worse", "no_difference_seen", "too_few_units"]

HIGHER_IS_BETTER: Mapping[Metric, bool] = {"cost": False, "latency": False, "errors": False, "feedback": True}


@dataclass(frozen=True, slots=True)
class Values:
    """One value a unit: how many units have one, the sum of the values and of their squares; statistics, no money.

    Values are US dollars of a unit (cost), its mean milliseconds (latency), the share of its requests that failed
    (errors), its mean rating from 0 to 1 (feedback).
    """

    units: int
    total: float
    squares: float

    @property
    def mean(self) -> float | None:
        """The mean value; None without any."""
        return self.total / self.units if self.units else None


NO_VALUES = Values(0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantFigures:
    """A variant's units: `exposed` are old enough to count; `requests`, `calls` and `cost_usd` are theirs, exact.

    `unpriced_units` have a call without a price and so no cost.
    """

    name: str
    exposed: int = 0
    requests: int = 0
    calls: int = 0
    cost_usd: Decimal = Decimal(0)
    unpriced_units: int = 0
    values: Mapping[Metric, Values] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A variant against the control in one metric. `difference` is the variant's mean less the control's, `change` the
    same as a part of the control's (0.1: 10 % more). Intervals are confidence sequences, `p_value` is valid at every
    look; all are None where there are too few units, `change` also while the control's mean may be 0."""

    variant: str
    metric: Metric
    units: int
    control_units: int
    mean: float | None
    control_mean: float | None
    level: float
    conclusion: Conclusion
    p_value: float | None = None
    difference: float | None = None
    difference_interval: Interval | None = None
    change: float | None = None
    change_interval: Interval | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What may be concluded. `split_p_value` doubts the split where it is below `SPLIT_LEVEL`."""

    definition: ExperimentDefinition
    variants: Sequence[VariantFigures]
    comparisons: Sequence[Comparison]
    split_p_value: float

    @property
    def split_is_right(self) -> bool:
        """Whether the traffic may be split as configured."""
        return self.split_p_value >= SPLIT_LEVEL


def analyse(definition: ExperimentDefinition, figures: Sequence[VariantFigures]) -> Analysis:
    """The comparisons, in the order of the definition."""
    by_name = {one.name: one for one in figures}
    ordered = [by_name.get(variant.name, VariantFigures(name=variant.name)) for variant in definition.variants]
    control = next(one for one in ordered if one.name == definition.control_name)
    others = [one for one in ordered if one is not control]
    level = definition.level / (len(others) * len(definition.metrics))
    weights = {variant.name: variant.weight for variant in definition.variants}
    return Analysis(
        definition=definition,
        variants=ordered,
        comparisons=[
            _compare(control, other, metric, level, definition.min_units)
            for other in others
            for metric in definition.metrics
        ],
        split_p_value=split_p_value({one.name: one.exposed for one in ordered}, weights),
    )


def _compare(control: VariantFigures, variant: VariantFigures, metric: Metric, level: float, least: int) -> Comparison:
    ours, theirs = variant.values.get(metric, NO_VALUES), control.values.get(metric, NO_VALUES)
    compared = Comparison(
        variant=variant.name,
        metric=metric,
        units=ours.units,
        control_units=theirs.units,
        mean=ours.mean,
        control_mean=theirs.mean,
        level=level,
        conclusion="too_few_units",
    )
    if min(ours.units, theirs.units) < least:
        return compared
    return _concluded(compared, _sample(theirs), _sample(ours))


def _concluded(compared: Comparison, control: Sample, variant: Sample) -> Comparison:
    difference = variant.mean - control.mean
    p_value = means.p_value(means.log_evidence(control, variant))
    ratios = means.ratio(control, variant, compared.level)
    conclusion: Conclusion = "no_difference_seen"
    if p_value <= compared.level:
        conclusion = "better" if (difference > 0) == HIGHER_IS_BETTER[compared.metric] else "worse"
    return replace(
        compared,
        conclusion=conclusion,
        p_value=p_value,
        difference=difference,
        difference_interval=means.difference(control, variant, compared.level),
        change=None if ratios is None else variant.mean / control.mean - 1,
        change_interval=None if ratios is None else (ratios[0] - 1, ratios[1] - 1),
    )


def _sample(values: Values) -> Sample:
    return means.sample(values.units, values.total, values.squares)
