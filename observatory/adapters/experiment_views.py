"""Results of experiments as the HTTP interface and the command line show them."""

from observatory.adapters.postgres.experiment_results import Results
from observatory.rules.experiments.analysis import NO_VALUES, Comparison, VariantFigures
from observatory.rules.experiments.split import LEVEL
from observatory.rules.experiments.verdict import sentence, verdict
from schemas.http_experiments import ComparisonRow, ExperimentResults, MetricView, SplitView, VariantView


def view_of(results: Results) -> ExperimentResults:
    """All that is known of one experiment."""
    analysis, definition = results.analysis, results.experiment.definition
    weights = {variant.name: variant.weight for variant in definition.variants}
    return ExperimentResults(
        experiment=results.experiment,
        watermark=results.watermark,
        split=SplitView(is_right=analysis.split_is_right, p_value=analysis.split_p_value, level=LEVEL),
        variants=[_variant(results, figures, weights[figures.name]) for figures in analysis.variants],
        young_units=results.young_units,
        mixed_units=results.mixed_units,
        unknown_units=results.unknown_units,
        comparisons=rows_of(results),
        verdict=verdict(analysis),
    )


def rows_of(results: Results) -> list[ComparisonRow]:
    """A row a comparison."""
    return [_row(results, compared) for compared in results.analysis.comparisons]


def _variant(results: Results, figures: VariantFigures, weight: int) -> VariantView:
    metrics = results.experiment.definition.metrics
    values = {metric: figures.values.get(metric, NO_VALUES) for metric in metrics}
    return VariantView(
        variant=figures.name,
        weight=weight,
        exposed=figures.exposed,
        requests=figures.requests,
        calls=figures.calls,
        cost_usd=figures.cost_usd,
        unpriced_units=figures.unpriced_units,
        metrics=[MetricView(metric=metric, units=of.units, mean=of.mean) for metric, of in values.items()],
    )


def _row(results: Results, compared: Comparison) -> ComparisonRow:
    experiment = results.experiment
    difference_low, difference_high = compared.difference_interval or (None, None)
    change_low, change_high = compared.change_interval or (None, None)
    return ComparisonRow(
        tenant_id=experiment.tenant_id,
        experiment_id=experiment.experiment_id,
        state=experiment.state,
        version=experiment.version,
        control=experiment.definition.control_name,
        variant=compared.variant,
        metric=compared.metric,
        units=compared.units,
        control_units=compared.control_units,
        mean=compared.mean,
        control_mean=compared.control_mean,
        difference=compared.difference,
        difference_low=difference_low,
        difference_high=difference_high,
        change=compared.change,
        change_low=change_low,
        change_high=change_high,
        p_value=compared.p_value,
        level=compared.level,
        conclusion=compared.conclusion,
        sentence=sentence(compared, experiment.definition),
        split_is_right=results.analysis.split_is_right,
    )
