"""Bodies of `/api/v1/experiments` and `/api/v1/analytics/experiments`. Means and intervals are statistics: numbers."""

from typing import Annotated

from pydantic import Field

from schemas.base import Body, Name, Time, Usd
from schemas.experiments import Experiment, ExperimentDefinition, ExperimentState, Metric
from schemas.http_analytics import PeriodParameters


class CreateExperiment(ExperimentDefinition):
    """A new experiment, a draft until it is started."""

    experiment_id: Name

    @property
    def definition(self) -> ExperimentDefinition:
        """Without the id."""
        return ExperimentDefinition.model_validate_json(self.model_dump_json(exclude={"experiment_id"}))


class ChangeExperiment(ExperimentDefinition):
    """The whole new definition: of a draft anything may change, of what runs only `traffic` and weights."""

    @property
    def definition(self) -> ExperimentDefinition:
        """As it is stored."""
        return ExperimentDefinition.model_validate_json(self.model_dump_json())


class ExperimentList(Body):
    """The tenant's experiments, latest first."""

    experiments: list[Experiment]


class ExperimentsParameters(PeriodParameters):
    """What may be asked about experiments: of one tenant, one experiment, one state."""

    tenant: Name | None = None
    experiment: Name | None = None
    state: Annotated[ExperimentState | None, Field(description="running or stopped; without it both.")] = None


class ComparisonRow(Body):
    """A variant against the control in one metric, over all the experiment's units, not the period's alone.

    Values are one a unit: US dollars (cost), mean ms (latency), the share of failed requests (errors), the mean rating
    from 0 to 1 (feedback). `difference` is the variant's mean less the control's, `change` the same as a part of the
    control's; both between the ends of their confidence sequences. `p_value` is valid at every look and significant
    below `level`. Without enough units all of these are null. `split_is_right` false: do not trust any of it.
    """

    tenant_id: str
    experiment_id: str
    state: ExperimentState
    version: int
    control: str
    variant: str
    metric: Metric
    units: int
    control_units: int
    mean: float | None
    control_mean: float | None
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    change: float | None
    change_low: float | None
    change_high: float | None
    p_value: float | None
    level: float
    conclusion: str
    sentence: str
    split_is_right: bool


class MetricView(Body):
    """How many units of a variant have a value of the metric, and its mean over them."""

    metric: Metric
    units: int
    mean: float | None


class VariantView(Body):
    """A variant's units: `exposed` are old enough to count, `requests`, `calls` and `cost_usd` are theirs; of
    `unpriced_units` a call has no price, so they have no cost."""

    variant: str
    weight: int
    exposed: int
    requests: int
    calls: int
    cost_usd: Usd
    unpriced_units: int
    metrics: list[MetricView]


class SplitView(Body):
    """Whether units came to the variants as configured; below `level` `p_value` says that they did not."""

    is_right: bool
    p_value: float
    level: float


class ExperimentResults(Body):
    """What may be concluded from all that came up to `watermark` (null: not every partition was read yet).

    `young_units` came too lately to count (`settle_s`); `mixed_units` had calls in several variants and
    `unknown_units` in one that the definition lacks, which only clients can do: they never count.
    """

    experiment: Experiment
    watermark: Time | None
    split: SplitView
    variants: list[VariantView]
    young_units: int
    mixed_units: int
    unknown_units: int
    comparisons: list[ComparisonRow]
    verdict: list[str]
