"""`observatory top` without a terminal: what an 80 by 24 screen shows, what keys do."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from rich.text import Text
from textual.pilot import Pilot
from textual.widgets import DataTable, Static

from observatory.adapters.lag import Lag
from observatory.adapters.postgres.call_views import CallLine, CallQuery
from observatory.adapters.verification import Busy
from observatory.cli.problems import Problem
from observatory.cli.top_app import HELP, Help, Top
from observatory.cli.top_observed import Answers, GroupLine, Observed, Work
from observatory.cli.top_words import usd
from schemas.http_alerts import AlertView
from schemas.http_budgets import BudgetState
from tests.observatory.cli.conftest import run_cli
from tests.observatory.cli.terminal import Terminal
from tests.observatory.rules.test_live_windows import BEGIN, window

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
CALL = CallLine(
    uuid4(), NOW, "acme", "user", "sim-openai", "gpt-4o-mini-2024-07-18", "error", "provider_overloaded", 2, 61_500.0,
    123_456, Decimal("0.000000012345"), "estimated",
)  # fmt: skip


CLAUDE = "claude-sonnet-4-5-202…"


class Books:
    """Single calls of one's own, and what was asked for."""

    def __init__(self, problem: str = "") -> None:
        self.asked: list[CallQuery] = []
        self._problem = problem

    async def calls(self, query: CallQuery) -> Sequence[CallLine]:
        if self._problem:
            raise Problem(self._problem)
        self.asked.append(query)
        return [CALL]

    async def call(self, call_id: UUID, started_at: datetime) -> Sequence[tuple[str, str]]:
        return [("call_id", str(call_id)), ("tags", "[not markup] " * 12), ("attempt 1", "sim-openai error")]

    async def models_of(self, tenant: str) -> Sequence[GroupLine]:
        return [line("sim-openai", f"of-{tenant}")]


def line(*name: str, calls: int = 1_234_567, cost: str = "123456.789") -> GroupLine:
    return GroupLine(
        name=name, calls=calls, errors=calls // 3, unpriced_calls=0, cost_usd=Decimal(cost),
        estimated_cost_usd=Decimal(0), latency_p50_ms=123.4, latency_p95_ms=65_432.1, ttft_p95_ms=None,
    )  # fmt: skip


def budget(budget_id: str, spent: str) -> BudgetState:
    return BudgetState(
        budget_id=budget_id, tenant_id="acme", scope="conversation", scope_value="talk", limit_usd=Decimal(10),
        hard=True, period="month", time_zone="UTC", thresholds=[], period_start=NOW, resets_at=NOW,
        spent_usd=Decimal(spent), reserved_usd=Decimal("0.5"), left_usd=Decimal(1), burn_usd_per_hour=Decimal("0.01"),
        forecast_usd=None, exhausted_at=NOW, closed_at=None,
    )  # fmt: skip


def alert(severity: str, message: str) -> AlertView:
    return AlertView.model_validate(
        {
            "alert_id": uuid4(), "kind": "anomaly", "severity": severity, "tenant_id": "acme", "subject": "s",
            "message": message, "details": {"why": "because"}, "raised_at": NOW, "resolved_at": None,
        }
    )  # fmt: skip


def observed() -> Observed:
    """As it is with traffic: all figures are large, all names long."""
    known = Observed("http://127.0.0.1:8080")
    for second in range(30):
        known.feed.windows.take(window(second, 12_345, cost="12.345"))
    known.feed.take("status", json.dumps({
        "tenant_id": "acme", "in_flight": 123, "complete_until": (BEGIN + timedelta(seconds=30)).isoformat(),
    }).encode())  # fmt: skip
    models = [line("sim-anthropic", "claude-sonnet-4-5-20250929"), line("sim-openai", "gpt-4o", cost="2")]
    known.answers = Answers(
        models=models,
        tenants=[line("acme"), line("a-tenant-with-a-very-long-name-indeed", cost="1")],
        budgets=[budget("half", "5"), budget("over", "10")],
        alerts=[alert("warning", "later " * 30), alert("critical", "first " * 30)],
    )
    known.work = Work(
        lags=[Lag("x.chat-workers", "x.chat.requests", 12), Lag("x.streams", "x.llm.calls", 34_567)],
        letters=[Lag("x.observatory-dlq", "x.chat.requests.dlq", 2), Lag("x.observatory-dlq", "x.llm.calls.dlq", 0)],
        busy=Busy(started_attempts=1, unpublished_calls=2, claimed_requests=3, unpublished_outcomes=4,
                  adjustments_not_in_ledger=0, calls_not_in_ledger=0),
        watermark=NOW,
    )  # fmt: skip
    return known


@asynccontextmanager
async def screen(known: Observed, books: Books | None = None) -> AsyncIterator[Pilot[None]]:
    """A terminal of 80 by 24."""
    async with Top(known, books or Books()).run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        yield pilot


def text(pilot: Pilot[None], name: str) -> str:
    return str(pilot.app.query_one(f"#{name}", Static).render())


def rows(pilot: Pilot[None]) -> list[list[str]]:
    table = pilot.app.query_one(DataTable)
    return [[cell.plain.strip() for cell in table.get_row(key) if isinstance(cell, Text)] for key in table.rows]


async def until(pilot: Pilot[None], first: str) -> None:
    """Waits until the first row begins with this."""
    async with asyncio.timeout(10):
        while not rows(pilot) or rows(pilot)[0][0] != first:
            await pilot.pause(0.02)


async def test_the_head_says_what_happens_now() -> None:
    async with screen(observed()) as pilot:
        head = text(pilot, "head").splitlines()
    assert "tenant acme  live" in head[0]
    assert "calls/s   12,345  in flight    123  errors  50.0%" in head[1]
    assert "$/hour    44,442" in head[2]
    assert "p95    100  p99    100" in head[3]
    assert head[4].startswith("lag  chat 12  ledger 0  streams 34,567")
    assert head[4].endswith("unsent 6  letters 2")
    assert head[5] == "budgets 2, 1 used up  alerts 2, 1 critical"


@pytest.mark.parametrize("key", "mtcbal")
async def test_every_table_fits_into_80_columns(key: str) -> None:
    async with screen(observed()) as pilot:
        await pilot.press(key)
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        table = pilot.app.query_one(DataTable)
        assert table.row_count
        assert table.virtual_size.width <= 80
        assert all(len(one) <= 80 for one in text(pilot, "head").splitlines())
        assert len(text(pilot, "keys")) <= 80
        assert pilot.app.size.height == 24


async def test_one_goes_down_from_a_tenant_to_a_call_and_back() -> None:
    books = Books()
    async with screen(observed(), books) as pilot:
        await pilot.press("t", "enter")
        await until(pilot, "of-acme sim-openai")
        await pilot.press("enter")
        await until(pilot, "12:00:00")
        assert (books.asked[-1].tenant, books.asked[-1].model) == ("acme", "of-acme")
        assert rows(pilot)[0][2:] == ["gpt-4o-mini-20…", "error provid…", "2", "1 min", "123k", "0.000000012~"]
        await pilot.press("s")
        await pilot.app.workers.wait_for_complete()
        assert books.asked[-1].order == "slowest"
        await pilot.press("enter")
        await until(pilot, "call_id")
        assert rows(pilot)[0][1] == str(CALL.call_id)
        assert any("[not markup]" in value for _, value in rows(pilot))
        await pilot.press("escape", "escape", "escape")
        await until(pilot, "acme")
        await pilot.press("escape")
        await until(pilot, "acme")


async def test_orders_and_what_is_worst_comes_first() -> None:
    async with screen(observed()) as pilot:
        assert rows(pilot)[0][0] == CLAUDE
        await pilot.press("s", "s")  # by cost, by calls, by what is called now
        assert rows(pilot)[0][0] == "m p"
        await pilot.press("b")
        assert [row[0] for row in rows(pilot)] == ["over", "half"]
        assert rows(pilot)[0][2] == "105.0%!"
        await pilot.press("enter")
        assert ["spent_usd", "10"] in rows(pilot)
        await pilot.press("a")
        assert [row[1] for row in rows(pilot)] == ["critical", "warning"]
        await pilot.press("l")
        assert rows(pilot)[0] == ["dead letters", "x.chat.requests.dlq", "2"]


async def test_figures_move_under_a_cursor_that_stays() -> None:
    known = observed()
    async with screen(known) as pilot:
        await pilot.press("down")
        assert known.answers is not None
        known.answers = Answers(
            models=[line("sim-anthropic", "claude-sonnet-4-5-20250929", cost="1"), line("sim-openai", "gpt-4o")],
            tenants=[], budgets=[], alerts=[],
        )  # fmt: skip
        await until(pilot, "gpt-4o sim-openai")
        table = pilot.app.query_one(DataTable)
        assert rows(pilot)[table.cursor_row][0] == "gpt-4o sim-openai"
        await pilot.press("p")
        known.answers = observed().answers
        await pilot.pause(1.2)
        assert rows(pilot)[0][0] == "gpt-4o sim-openai"
        assert "paused" in text(pilot, "title")
        await pilot.press("p")
        await until(pilot, CLAUDE)


async def test_the_chosen_row_is_seen_without_colours() -> None:
    async with screen(observed()) as pilot:
        await pilot.press("down")
        await pilot.pause()
        lines = [pilot.app.query_one(DataTable).render_line(y) for y in range(1, 4)]
        seen = [any(segment.style is not None and segment.style.reverse for segment in line) for line in lines]
        assert seen == [False, True, False]


async def test_help_tells_every_key_and_leaves_by_any_of_them() -> None:
    async with screen(observed()) as pilot:
        await pilot.press("question_mark")
        assert isinstance(pilot.app.screen, Help)
        for binding in Top.BINDINGS:
            assert not isinstance(binding, tuple)
            assert binding.description in HELP
        await pilot.press("escape")
        assert not isinstance(pilot.app.screen, Help)
        await pilot.press("q")
    assert pilot.app.return_code == 0


async def test_nothing_known_yet_is_said_and_shown_as_unknown() -> None:
    async with screen(Observed("http://127.0.0.1:1"), Books("PostgreSQL does not answer")) as pilot:
        head = text(pilot, "head").splitlines()
        assert "AWAY" in head[0]
        assert head[5] == "! not connected yet; trying again"
        await pilot.press("c")
        async with asyncio.timeout(5):
            while "PostgreSQL does not answer" not in text(pilot, "title"):
                await pilot.pause(0.02)


async def test_once_without_a_stack_ends_with_what_is_wrong() -> None:
    environment = {
        "OBSERVATORY_HTTP_PORT": "1", "OBSERVATORY_KAFKA": "127.0.0.1:1",
        "OBSERVATORY_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    }  # fmt: skip
    ran = await run_cli("top", "--json", environment=environment)
    assert ran.code == 1
    problems = ran.answer()["problems"]
    assert isinstance(problems, list)
    assert sum("does not answer" in problem for problem in problems) == 4
    ran = await run_cli("top", "--url", "localhost:8080", environment=environment)
    assert (ran.code, ran.stdout) == (2, "")
    assert "write for example" in ran.stderr


async def test_a_plain_terminal_is_enough() -> None:
    environment = {
        "OBSERVATORY_HTTP_PORT": "1", "OBSERVATORY_KAFKA": "127.0.0.1:1", "NO_COLOR": "1", "TERM": "vt100",
        "OBSERVATORY_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    }  # fmt: skip
    terminal = await Terminal.running("top", columns=80, environment=environment)
    await terminal.until("does not answer")
    await terminal.until("q quit")
    terminal.press("q")
    shown = await terminal.until_ended()
    styles = {code for codes in re.findall(r"\x1b\[([0-9;]*)m", shown) for code in codes.split(";")}
    assert styles <= {"0", "1", "4", "7", "39", "49"}, "another colour than the terminal's own"


async def test_no_other_command_pays_for_the_screen() -> None:
    ran = await run_cli("top", "--help", environment={"PYTHONPROFILEIMPORTTIME": "1"})
    assert ran.code == 0
    assert "observatory.cli.top_words" in ran.stderr
    assert "textual" not in ran.stderr


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("0", "0.00"),
        ("123.456", "123.46"),
        ("12345.678", "12,345"),
        ("123456", "123k"),
        ("0.0012345", "0.00123"),
        ("-0.5", "-0.500"),
        ("1E-12", "0.000000000"),
    ],
)
def test_money_is_short_on_this_screen(amount: str, shown: str) -> None:
    assert usd(Decimal(amount)) == shown
