"""Means of scores and how sure they are."""

import random
from collections.abc import Callable, Sequence

import pytest

from observatory.rules.quality import mean_of
from schemas.feedback import MILLION


def interval(scores: Sequence[float]) -> tuple[float, float, float]:
    millionths = [round(score * MILLION) for score in scores]
    found = mean_of(len(millionths), sum(millionths), sum(m * m for m in millionths))
    assert found is not None
    return found.mean, found.low, found.high


def test_thumbs_have_wilsons_interval() -> None:
    assert interval([1] * 8 + [0] * 2) == pytest.approx((0.8, 0.4901625, 0.9433178), abs=1e-6)


def test_one_score_says_little_and_none_says_nothing() -> None:
    mean, low, high = interval([1])
    assert (mean, high) == (1.0, 1.0)
    assert low == pytest.approx(0.2065, abs=1e-4)
    assert mean_of(0, 0, 0) is None


def test_many_graded_scores_have_the_interval_of_their_mean() -> None:
    assert interval([0.5] * 100) == (0.5, 0.5, 0.5)
    mean, low, high = interval([0.4, 0.6] * 50)
    assert (mean, low, high) == pytest.approx((0.5, 0.5 - 0.0197, 0.5 + 0.0197), abs=1e-4)


@pytest.mark.parametrize("n", [5, 29, 30, 200])
def test_the_interval_holds_the_true_mean_nearly_as_often_as_it_says(n: int) -> None:
    randomness = random.Random(n)
    rounds = 1000
    draws: list[Callable[[], float]] = [
        lambda: float(randomness.random() < 0.7),
        lambda: randomness.betavariate(7, 3),
    ]
    for draw in draws:
        held = 0
        for _ in range(rounds):
            _, low, high = interval([draw() for _ in range(n)])
            held += low <= 0.7 <= high
        assert held / rounds > 0.92
