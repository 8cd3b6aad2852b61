"""Cheaper models with equal quality: what an experiment has shown, and what it would save."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from observatory.rules.context_caching import rates_of
from observatory.rules.experiments.analysis import Analysis, Comparison
from observatory.rules.money import MONEY, ZERO, times, total
from observatory.rules.pricing import Prices, Rates
from observatory.rules.recommendations import Recommendation, in_a_month
from schemas.experiments import ExperimentDefinition, Variant

RATING_MARGIN = 0.05
ERROR_MARGIN = 0.01
"""What a cheaper model may be worse by, at the worst end of the confidence sequence: of a rating from 0 to 1; of the
share of requests that failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUse:
    """Answered, priced calls to a model on one day and the sums of their tokens."""

    tenant_id: str
    provider: str
    model: str
    service_tier: str | None
    region: str | None
    first_at: datetime
    calls: int
    cost_usd: Decimal
    uncached_input_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cheaper:
    """What an experiment has shown: `model` costs less than `instead_of` and is as good, within the margins.

    `provider` is the one that the experiment asks for `model`; None: the one that was used before.
    """

    tenant_id: str
    experiment_id: str
    instead_of: str
    model: str
    provider: str | None
    compared: Sequence[Comparison]


def shown_cheaper(tenant_id: str, experiment_id: str, analysis: Analysis) -> Cheaper | None:
    """What an experiment shows about models, if it shows anything.

    A variant counts that costs less and whose rating and errors were compared and are, at the worst end of their
    confidence sequences, within the margins: that no difference was seen alone would prove nothing. The split must be
    right. Of several the one that costs least.
    """
    definition = analysis.definition
    control = _model_of(definition, definition.variant(definition.control_name))
    if control is None or not analysis.split_is_right:
        return None
    proven: list[tuple[float, Cheaper]] = []
    for variant in definition.variants:
        model = _model_of(definition, variant)
        compared = [one for one in analysis.comparisons if one.variant == variant.name]
        change = _proven_change(compared)
        if model is not None and model != control and change is not None:
            shown = Cheaper(
                tenant_id=tenant_id,
                experiment_id=experiment_id,
                instead_of=control,
                model=model,
                provider=variant.overrides.provider,
                compared=compared,
            )
            proven.append((change, shown))
    return min(proven, key=lambda one: one[0])[1] if proven else None


def _model_of(definition: ExperimentDefinition, variant: Variant | None) -> str | None:
    """The model of a variant; one that changes none has the one that the experiment is about, if that is only one."""
    if variant is None:
        return None
    if variant.overrides.model is None and len(definition.eligibility.models) == 1:
        return definition.eligibility.models[0]
    return variant.overrides.model


def _proven_change(compared: Sequence[Comparison]) -> float | None:
    """The change of the cost, below 0; None unless all of it is proven."""
    by_metric = {one.metric: one for one in compared}
    cost, rating, errors = (by_metric.get(name) for name in ("cost", "feedback", "errors"))
    if cost is None or rating is None or errors is None or cost.conclusion != "better" or cost.change is None:
        return None
    if rating.difference_interval is None or rating.difference_interval[0] < -RATING_MARGIN:
        return None
    if errors.difference_interval is None or errors.difference_interval[1] > ERROR_MARGIN:
        return None
    return cost.change


def cheaper_model(shown: Cheaper, use: Iterable[ModelUse], prices: Prices, days: int) -> Recommendation | None:
    """What the calls to the dearer model would have cost with the tokens that they had, at the cheaper one's rates.

    None where a rate is not known, or depends on the length of each prompt: sums of tokens do not tell that.
    """
    own = [one for one in use if (one.tenant_id, one.model) == (shown.tenant_id, shown.instead_of)]
    saved = []
    for one in own:
        rates = rates_of(prices, one, shown.provider or one.provider, shown.model, shown.model)
        instead = None if rates is None or rates.tiers else _cost(one, rates)
        if instead is None:
            return None
        saved.append(MONEY.subtract(one.cost_usd, instead))
    if not saved:
        return None
    intervals = {one.metric: one.difference_interval for one in shown.compared if one.difference_interval is not None}
    return Recommendation(
        kind="cheaper_model",
        tenant_id=shown.tenant_id,
        subject={"model": shown.instead_of, "instead": shown.model},
        saving_usd=in_a_month(total(saved), days),
        evidence={
            "experiment_id": shown.experiment_id,
            "calls": sum(one.calls for one in own),
            "cost_usd": total(one.cost_usd for one in own),
            "rating_at_worst": intervals["feedback"][0],
            "errors_at_worst": intervals["errors"][1],
        },
    )


def _cost(use: ModelUse, rates: Rates) -> Decimal | None:
    cost = ZERO
    for tokens, rate in (
        (use.uncached_input_tokens, rates.uncached_input),
        (use.cache_read_tokens, rates.cache_read),
        (use.cache_write_5m_tokens, rates.cache_write_5m),
        (use.cache_write_1h_tokens, rates.cache_write_1h),
        (use.output_tokens, rates.output),
    ):
        if tokens and rate is None:
            return None
        if tokens and rate is not None:
            cost = MONEY.add(cost, times(tokens, rate))
    return cost
