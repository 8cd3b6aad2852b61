"""What is concluded from units, and how it is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from observatory.rules.experiments.analysis import Values, VariantFigures, analyse
from observatory.rules.experiments.verdict import verdict
from schemas.experiments import ExperimentDefinition, Metric


def values(of_units: Sequence[float]) -> Values:
    return Values(len(of_units), sum(of_units), sum(value * value for value in of_units))


def figures(name: str, metrics: Mapping[Metric, Sequence[float]], exposed: int | None = None) -> VariantFigures:
    counted = max(map(len, metrics.values())) if exposed is None else exposed
    return VariantFigures(name=name, exposed=counted, values={metric: values(of) for metric, of in metrics.items()})


def definition(**fields: object) -> ExperimentDefinition:
    return ExperimentDefinition.model_validate({"variants": [{"name": "A"}, {"name": "B"}], **fields})


def two(cost: tuple[float, float], failing: int = 0, rated: int = 400) -> list[VariantFigures]:
    """400 units of each variant at that mean cost; `failing` of B's fail, `rated` of each have a rating."""
    random = Random(5)
    costs = [[mean * random.uniform(0.5, 1.5) for _ in range(400)] for mean in cost]
    return [
        figures("A", {"cost": costs[0], "errors": [0.0] * 400, "latency": [80.0] * 400, "feedback": [0.7] * rated}),
        figures(
            "B",
            {
                "cost": costs[1],
                "errors": [1.0] * failing + [0.0] * (400 - failing),
                "latency": [80.0] * 400,
                "feedback": [0.7] * rated,
            },
        ),
    ]


def test_the_verdict_says_what_differs_and_by_how_much() -> None:
    said = verdict(analyse(definition(), two((0.010, 0.008), failing=60, rated=20)))
    assert said == [
        "Variant B costs 22.4 % less than A (95 % confidence sequence 16.5–27.9 %).",
        "Variant B, latency: no difference seen (95 % confidence sequence 0 to 0 %).",
        "Variant B fails 15.0 points more often than A (95 % confidence sequence 8.7–21.3 points).",
        "Variant B, feedback: too few units to tell (20 and 20 of 50 each).",
    ]


def test_a_wrong_split_comes_first() -> None:
    skewed = [figures("A", {"cost": [1.0] * 300}), figures("B", {"cost": [1.0] * 100})]
    said = verdict(analyse(definition(metrics=["cost"]), skewed))
    assert said[0] == (
        "The traffic split is not what was configured (A 300, B 100 units, configured 1 : 1): "
        "do not trust what follows."
    )
    assert "no difference" in said[1]


def test_nobody_came_yet() -> None:
    analysis = analyse(definition(), [])
    assert {compared.conclusion for compared in analysis.comparisons} == {"too_few_units"}
    assert analysis.split_is_right


def test_the_control_is_the_one_named() -> None:
    (compared,) = analyse(definition(control="B", metrics=["cost"]), two((0.010, 0.008))).comparisons
    assert (compared.variant, compared.conclusion) == ("A", "worse")
    assert compared.change is not None
    assert compared.change > 0.2


def test_more_comparisons_need_more_evidence_each() -> None:
    wide = definition(variants=[{"name": name} for name in "ABCDE"])
    (one,) = analyse(definition(metrics=["cost"]), two((0.010, 0.008))).comparisons
    many = analyse(wide, two((0.010, 0.008))).comparisons[0]
    assert (one.level, many.level) == (0.05, 0.05 / 16)
    assert one.difference_interval is not None
    assert many.difference_interval is not None
    assert many.difference_interval[0] < one.difference_interval[0]
    assert one.difference_interval[1] < many.difference_interval[1]


def test_no_comparison_of_an_experiment_without_effects_is_ever_wrong_but_seldom() -> None:
    """Three variants, two metrics that depend on each other, a look after every 60 units: all verdicts together."""
    random, wrong, runs = Random(6), 0, 150
    compared: tuple[Metric, Metric] = ("cost", "latency")
    three = definition(variants=[{"name": name} for name in "ABC"], metrics=list(compared))
    for _ in range(runs):
        sums = {name: [[0, 0.0, 0.0], [0, 0.0, 0.0]] for name in "ABC"}
        for unit in range(900):
            name = random.choice("ABC")
            cost = random.lognormvariate(0, 1.2)
            for place, value in enumerate((cost, 100 * cost + random.gauss(0, 30))):
                count, total, squares = sums[name][place]
                sums[name][place] = [count + 1, total + value, squares + value * value]
            if unit % 60 == 59:
                shown = [
                    VariantFigures(
                        name=name,
                        exposed=int(of[0][0]),
                        values={
                            metric: Values(int(count), total, squares)
                            for metric, (count, total, squares) in zip(compared, of, strict=True)
                        },
                    )
                    for name, of in sums.items()
                ]
                if any(c.conclusion in ("better", "worse") for c in analyse(three, shown).comparisons):
                    wrong += 1
                    break
    assert wrong / runs <= 0.05
