"""Tables in narrow terminals: what is shown is shown whole."""

from decimal import Decimal
from io import StringIO

import pytest
from rich.console import Console
from rich.table import Table

from observatory.cli.output import add_row, table


def figures() -> Table:
    """Models and what they cost."""
    made = table(["model", "calls", "cost $", "p50 ms", "ttft p50"], expendable=("ttft p50", "p50 ms"), title="Costs")
    add_row(made, "claude-sonnet-4-5", 1234, Decimal("0.1234567890123"), 531.3, 473.1)
    add_row(made, "total", 1234, Decimal("0.1234567890123"), 531.3, 473.1, style="bold")
    return made


def shown(width: int) -> str:
    """What a terminal of that width gets."""
    console = Console(width=width, file=StringIO(), highlight=False)
    console.print(figures())
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_with_room_enough_every_column_is_there() -> None:
    text = shown(80)
    assert "473.1" in text
    assert "No room" not in text


def test_what_has_no_room_is_left_out_and_named() -> None:
    text = shown(40)
    assert "473.1" not in text
    assert "531.3" not in text
    assert "No room for ttft p50, p50 ms:" in " ".join(text.split())


@pytest.mark.parametrize("width", [120, 60, 45, 40, 30, 26])
def test_no_figure_is_ever_cut(width: int) -> None:
    text = shown(width)
    assert all(len(line) <= width for line in text.splitlines())
    assert text.count("1,234") == 2
    assert text.count("0.1234567890123") == 2
    assert "claude-sonn" in text


def test_where_no_two_columns_fit_rows_are_lists() -> None:
    lines = [line.split() for line in shown(24).splitlines()]
    assert ["calls", "1,234"] in lines
    assert ["p50", "ms", "531.3"] in lines
    assert ["model", "total"] in lines
