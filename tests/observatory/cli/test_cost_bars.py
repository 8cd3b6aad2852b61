"""Bars of costs: on a terminal, and on a terminal alone."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observatory.cli.cost_bars import cost_bars
from tests.observatory.cli.conftest import Cli
from tests.observatory.cli.terminal import Terminal
from tests.streams.ledger.calls import call
from tests.streams.ledger.ground import Ground

AMOUNTS = st.decimals(0, 1000, places=12)


@given(st.lists(st.tuples(st.text(max_size=60), AMOUNTS), max_size=30), st.integers(1, 200), st.booleans())
def test_no_line_is_longer_than_the_terminal(costs: list[tuple[str, Decimal]], width: int, blocks: bool) -> None:
    total = sum((cost for _, cost in costs), Decimal(0))
    lines = cost_bars(costs, total, width, blocks=blocks)
    assert all(len(line) <= width for line in lines)
    assert len(lines) in (0, min(20, len(costs)))


def test_a_bar_is_against_the_dearest_and_the_share_of_the_total() -> None:
    lines = cost_bars([("dear", Decimal(3)), ("cheap", Decimal(1))], Decimal(8), 40, blocks=False)
    assert lines == ["dear   " + "#" * 26 + "  37.5%", "cheap  " + "#" * 9 + " " * 17 + "  12.5%"]


@pytest.mark.parametrize("costs", [[], [("one", Decimal(1))], [("a", Decimal(0)), ("b", Decimal(0))]])
def test_there_are_no_bars_where_nothing_is_to_be_compared(costs: list[tuple[str, Decimal]]) -> None:
    assert cost_bars(costs, sum((cost for _, cost in costs), Decimal(0)), 80, blocks=True) == []


@pytest.fixture(scope="module")
async def booked(ground: Ground) -> Ground:
    async with ground.ledger():
        await ground.produce([call(tenant_id="dear", cost_usd="0.75"), call(tenant_id="cheap", cost_usd="0.25")])
        await ground.until_applied()
    return ground


async def costs_on_terminal(ground: Ground, **environment: str) -> str:
    """What `observatory costs --by tenant` writes to a terminal of 100 columns."""
    ours = {
        "OBSERVATORY_DATABASE_URL": ground.settings.database_url,
        "OBSERVATORY_TOPIC_PREFIX": ground.settings.kafka.topic_prefix,
    }
    terminal = await Terminal.running("costs", "--by", "tenant", columns=100, environment={**ours, **environment})
    shown = await terminal.until_ended()
    return re.sub(r"\x1b\[[0-9;]*m", "", shown)


async def test_a_terminal_gets_bars_beside_the_digits(booked: Ground) -> None:
    shown = await costs_on_terminal(booked)
    assert re.search(r"^dear   █{60}  75.0%", shown, re.MULTILINE)
    assert re.search(r"^cheap  █{20} +25.0%", shown, re.MULTILINE)


async def test_a_terminal_that_cannot_gets_plain_ones(booked: Ground) -> None:
    shown = await costs_on_terminal(booked, PYTHONIOENCODING="ascii")
    assert re.search(r"^cheap  #{20} +25.0%", shown, re.MULTILINE)
    assert shown.isascii()


async def test_a_pipe_and_json_get_none(booked: Ground, cli: Cli) -> None:
    for arguments in ((), ("--json",)):
        shown = (await cli("costs", "--by", "tenant", *arguments)).stdout
        assert "dear" in shown
        assert "%" not in shown
        assert "█" not in shown
