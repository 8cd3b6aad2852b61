"""The tests may be looked at as often as one likes: false alarms stay under the level, real effects are found."""

from __future__ import annotations

from collections.abc import Callable
from math import log
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.rules.experiments import means
from observatory.rules.experiments.means import Sample, sample
from observatory.rules.experiments.split import LEVEL, split_p_value

LEVEL_5 = 0.05
ENOUGH = -log(LEVEL_5)
RUNS = 1000
LEAST = 50
"""The definition's default for `min_units`."""

Draw = Callable[[Random], float]


def log_normal(spread: float) -> Draw:
    return lambda random: random.lognormvariate(0.0, spread)


def rejections(draw: Draw, *, share: float = 0.5, effect: float = 1.0, units: int = 1000, runs: int = RUNS) -> float:
    """The part of the experiments in which any look, at each tenth unit, rejects; `share` is the variant's."""
    random, rejected = Random(11), 0
    for _ in range(runs):
        counts, totals, squares = [0, 0], [0.0, 0.0], [0.0, 0.0]
        for unit in range(units):
            arm = random.random() < share
            value = draw(random) * (effect if arm else 1.0)
            counts[arm] += 1
            totals[arm] += value
            squares[arm] += value * value
            if unit % 10 == 0 and min(counts) >= LEAST:
                control, variant = map(sample, counts, totals, squares)
                if means.log_evidence(control, variant) >= ENOUGH:
                    rejected += 1
                    break
    return rejected / runs


@pytest.mark.parametrize(
    ("draw", "share"),
    [
        (lambda random: random.gauss(10.0, 2.0), 0.5),
        (log_normal(1.5), 0.5),
        (log_normal(1.5), 0.1),
        (log_normal(1.5), 0.3),
        (lambda random: float(random.random() < 0.02), 0.5),
        (lambda random: float(random.random() < 0.02), 0.1),
        (lambda random: float(random.random() < 0.4), 0.3),
    ],
    ids=["normal", "long tail", "long tail, one in ten", "long tail, three in ten", "rare", "rare, one in ten", "rate"],
)
def test_peeking_at_means_keeps_the_level(draw: Draw, share: float) -> None:
    assert rejections(draw, share=share) <= LEVEL_5


def test_a_naive_test_would_not_have_kept_it() -> None:
    """That the simulation can fail: the usual bound for one look, looked at again and again."""
    random, rejected = Random(11), 0
    for _ in range(200):
        difference = 0.0
        for pair in range(1, 600):
            difference += random.gauss(0.0, 1.0) - random.gauss(0.0, 1.0)
            if pair >= LEAST and difference**2 / (2 * pair) > 1.96**2:
                rejected += 1
                break
    assert rejected / 200 > 3 * LEVEL_5


def test_a_difference_in_cost_is_found() -> None:
    assert rejections(log_normal(1.0), effect=0.7, units=2500, runs=100) >= 0.9


def test_a_difference_in_error_rates_is_found() -> None:
    random, found = Random(13), 0
    for _ in range(50):
        failed, more = (sum(random.random() < rate for _ in range(1200)) for rate in (0.10, 0.16))
        found += means.log_evidence(sample(1200, failed, failed), sample(1200, more, more)) >= ENOUGH
    assert found >= 45


values = st.lists(st.floats(0.001, 100), min_size=2, max_size=40)


@given(values, values)
def test_the_sequences_of_means_exclude_equality_exactly_when_the_test_rejects(
    ours: list[float], theirs: list[float]
) -> None:
    control, variant = (sample(len(v), sum(v), sum(x * x for x in v)) for v in (theirs, ours))
    evidence = means.log_evidence(control, variant)
    if abs(evidence - ENOUGH) > 1e-6:
        low, high = means.difference(control, variant, LEVEL_5)
        assert (evidence > ENOUGH) == (not low <= 0 <= high)
        if (ratios := means.ratio(control, variant, LEVEL_5)) is not None:
            assert (evidence > ENOUGH) == (not ratios[0] <= 1 <= ratios[1])


def test_the_ratio_of_means_is_covered_at_every_look() -> None:
    random, missed = Random(14), 0
    for _ in range(200):
        ours: list[float] = []
        theirs: list[float] = []
        for look in range(1, 11):
            theirs += [random.lognormvariate(0.0, 1.0) for _ in range(60)]
            ours += [0.6 * random.lognormvariate(0.0, 1.0) for _ in range(60)]
            control, variant = (sample(len(v), sum(v), sum(x * x for x in v)) for v in (theirs, ours))
            ratios = means.ratio(control, variant, LEVEL_5)
            if ratios is not None and not ratios[0] <= 0.6 <= ratios[1]:
                missed += 1
                break
            assert look < 10 or (ratios is not None and ratios[1] < 1)
    assert missed / 200 <= LEVEL_5


def test_constant_values_are_told_apart_and_not_blamed() -> None:
    assert means.log_evidence(sample(50, 50 * 0.1, 50 * 0.1 * 0.1), sample(60, 60 * 0.1, 60 * 0.1 * 0.1)) < 0
    assert means.p_value(means.log_evidence(Sample(50, 1.0, 0.0), Sample(50, 2.0, 0.0))) == 0


def test_looking_at_the_split_again_and_again_keeps_its_level() -> None:
    random, doubted = Random(15), 0
    for _ in range(400):
        counts = {"a": 0, "b": 0, "c": 0}
        for unit in range(800):
            counts[random.choices(("a", "b", "c"), (1, 1, 2))[0]] += 1
            if unit % 10 == 0 and split_p_value(counts, {"a": 1, "b": 1, "c": 2}) < LEVEL:
                doubted += 1
                break
    assert doubted <= 2  # of 400, fewer than one is expected


def test_a_wrong_split_is_doubted() -> None:
    assert split_p_value({"a": 5000, "b": 5000}, {"a": 1, "b": 1}) == 1
    assert split_p_value({"a": 5400, "b": 4600}, {"a": 1, "b": 1}) < LEVEL
    assert split_p_value({"a": 70, "b": 5}, {"a": 1, "b": 1}) < LEVEL
    assert split_p_value({"a": 50, "b": 1}, {"a": 1, "b": 0}) == 0
    assert split_p_value({}, {"a": 1, "b": 1}) == 1
