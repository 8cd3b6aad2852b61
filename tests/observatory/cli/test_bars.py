"""Bars of text."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.cli.bars import ASCII_LEVELS, LEVELS, bar, draws_blocks, levels

AMOUNTS = st.decimals(0, 10**6, places=9)


@given(AMOUNTS, AMOUNTS, st.integers(1, 60), st.booleans())
def test_a_bar_is_never_longer_than_its_width_and_never_nothing_for_something(
    one: Decimal, other: Decimal, width: int, blocks: bool
) -> None:
    part, whole = sorted((one, other))
    text = bar(part, whole, width, blocks=blocks)
    assert len(text) <= width
    assert bool(text) == (part > 0)
    assert blocks or set(text) <= {"#"}


@given(AMOUNTS, AMOUNTS, st.booleans())
def test_more_is_not_shorter(one: Decimal, other: Decimal, blocks: bool) -> None:
    less, more = sorted((one, other))
    whole = Decimal(10**6)
    assert len(bar(less, whole, 40, blocks=blocks)) <= len(bar(more, whole, 40, blocks=blocks))


def test_a_whole_fills_the_width_and_a_half_half_of_it() -> None:
    assert bar(Decimal(8), Decimal(8), 10, blocks=True) == "█" * 10
    assert bar(Decimal(4), Decimal(8), 10, blocks=True) == "█" * 5
    assert bar(Decimal("0.5"), Decimal(8), 10, blocks=True) == "▋"
    assert bar(Decimal(4), Decimal(8), 10, blocks=False) == "#####"


@given(st.lists(st.integers(0, 10**9), max_size=90), st.integers(1, 40), st.booleans())
def test_a_line_has_its_width_and_its_highest_is_full(values: list[int], width: int, blocks: bool) -> None:
    line = levels(values, width, blocks=blocks)
    assert len(line) == (width if values else 0)
    if any(values):
        assert (LEVELS if blocks else ASCII_LEVELS)[-1] in line


@pytest.mark.parametrize(
    ("encoding", "can"), [("utf-8", True), ("ascii", False), ("latin-1", False), (None, False), ("no such", False)]
)
def test_blocks_are_drawn_where_the_encoding_has_them(encoding: str | None, can: bool) -> None:
    assert draws_blocks(encoding) == can
