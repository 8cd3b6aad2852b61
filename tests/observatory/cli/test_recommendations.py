"""`observatory recommendations`: savings computed by hand, found in real facts."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from observatory.adapters.postgres.pool import Pool
from observatory.adapters.postgres.prices import record
from observatory.rules.price_rows import PriceRow
from tests.observatory.cli.conftest import Cli
from tests.streams.ledger.calls import NOW, Body, call, new_id
from tests.streams.ledger.ground import Ground
from tests.streams.ledger.writing import write_calls

PRICES = (
    PriceRow(
        provider="openai", model="reads-cheap", input_usd_mtok=Decimal("2.00"), output_usd_mtok=Decimal("8.00"),
        cache_read_usd_mtok=Decimal("0.50"),
    ),
    PriceRow(
        provider="anthropic", model="writes-dear", input_usd_mtok=Decimal("3.00"), output_usd_mtok=Decimal("15.00"),
        cache_read_usd_mtok=Decimal("0.30"), cache_write_5m_usd_mtok=Decimal("3.75"),
    ),
)  # fmt: skip


def asked(minute: float, tenant: str = "acme", /, **changes: object) -> Body:
    """A call that began so many minutes after the beginning of all of them."""
    started = (NOW - timedelta(hours=2) + timedelta(minutes=minute)).isoformat()
    common: Body = {
        "tenant_id": tenant, "started_at": started, "first_token_at": None, "ended_at": None, "conversation_id": None,
        "response_model": "m", "prompt_hash": new_id(),
    }  # fmt: skip
    return call(**{**common, **changes})


def turn(minute: float, tokens: int, conversation: str, served: Body, cached: int = 0) -> Body:
    usage = {"uncached_input_tokens": tokens, "cache_read_tokens": cached, "output_tokens": 100}
    return asked(minute, **{"conversation_id": conversation, "usage": usage, **served})


@pytest.fixture
async def facts(ground: Ground) -> Pool:
    """Calls among which some are worth a word."""
    await record(ground.pool, "set", PRICES)
    await write_calls(ground.pool, ground.topic, [*PROMPTS, *FAILURES, *CONTEXTS], until=NOW)
    return ground.pool


SUBJECT = ("provider", "model", "prompt_hash", "cause")
PROMPTS = [
    *[asked(n, prompt_hash="again", cost_usd=usd) for n, usd in enumerate(("0.10", "0.250000000001", "0.15"))],
    asked(3, prompt_hash="again", cost_usd="9", status="error", error_type="rate_limited", cost_state="estimated"),
    asked(3, prompt_hash="again", cost_usd=None),
    asked(3, prompt_hash="again", cost_usd="7", response_model="another"),
    asked(3, "other", prompt_hash="again", cost_usd="7"),
    asked(3, prompt_hash="once", cost_usd="7"),
    *[asked(4, prompt_hash="cheap", cost_usd="0.001") for _ in range(3)],
    *[asked(-60 * 24 * 11, prompt_hash="long ago", cost_usd="5") for _ in range(3)],
]
FAILURES = [
    asked(5, "fails", status="error", error_type="malformed_response", cost_usd="0.125"),
    asked(6, "fails", status="error", error_type="malformed_response", cost_usd="0.5", cost_state="estimated"),
    asked(7, "fails", status="error", error_type="timeout", cost_usd="3", cost_state="estimated"),
]
CHEAP: Body = {"response_model": "reads-cheap", "provider": "sim-openai"}
DEAR: Body = {"response_model": "writes-dear", "provider": "anthropic"}
CONTEXTS = [
    turn(10, 100_000, "long", CHEAP),
    turn(11, 150_000, "long", CHEAP),
    turn(12, 120_000, "long", CHEAP),
    turn(18, 130_000, "long", CHEAP),  # after 6 minutes nothing would have been left in the cache
    turn(18.5, 900, "long", CHEAP),  # too short to be cached
    turn(10, 500_000, "cached", CHEAP, cached=1),
    turn(11, 500_000, "cached", CHEAP, cached=1),
    turn(10, 100_000, "written", DEAR),
    turn(11, 150_000, "written", DEAR),
]


async def look(cli: Cli, *options: str) -> dict[str, Any]:
    ran = await cli("recommendations", "--json", *options)
    assert ran.code == 0, ran.stderr
    return ran.answer()


async def test_every_saving_is_the_one_computed_by_hand(facts: Pool, cli: Cli) -> None:
    answer = await look(cli, "--look")
    found = {
        (row["kind"], row["tenant_id"], *[row["subject"][name] for name in SUBJECT if name in row["subject"]]): (
            Decimal(row["saving_usd"]),
            row["evidence"],
        )
        for row in answer["rows"]
    }
    # Ten days of a month of thirty: three times the amount. Of the prompt the dearest answer has to be paid once.
    assert {name: saving for name, (saving, _) in found.items()} == {
        ("cache_answers", "acme", "sim-openai", "m", "again"): 3 * Decimal("0.25"),
        ("avoid_failures", "fails", "malformed_answer"): 3 * Decimal("0.125"),
        # 100,000 and 120,000 tokens would have been read at 0.50 instead of 2.00 a million.
        ("cache_context", "acme", "sim-openai", "reads-cheap"): 3 * Decimal("0.33"),
        # 100,000 tokens read at 0.30 instead of 3.00, and 150,000 written at 0.75 more.
        ("cache_context", "acme", "anthropic", "writes-dear"): 3 * (Decimal("0.27") - Decimal("0.1125")),
    }
    savings = [Decimal(row["saving_usd"]) for row in answer["rows"]]
    assert savings == sorted(savings, reverse=True)

    prompt = found["cache_answers", "acme", "sim-openai", "m", "again"][1]
    assert (prompt["calls"], prompt["cost_usd"]) == (3, "0.500000000001")
    assert prompt["look_at"] == [body["call_id"] for body in PROMPTS[:3]]
    context = found["cache_context", "acme", "sim-openai", "reads-cheap"][1]
    assert (context["calls"], context["input_tokens"], context["repeated_tokens"]) == (4, 500_000, 220_000)
    assert context["look_at"][0] == CONTEXTS[1]["call_id"]
    failed = found["avoid_failures", "fails", "malformed_answer"][1]
    assert (failed["calls"], failed["cost_usd"], failed["estimated_cost_usd"]) == (2, "0.625", "0.5")


async def test_what_was_found_last_is_shown_and_replaced_by_the_next_look(facts: Pool, cli: Cli) -> None:
    await facts.execute("TRUNCATE streams.recommendations, streams.recommendation_runs")
    nothing = await cli("recommendations")
    assert (nothing.code, nothing.stdout) == (0, "")
    assert "--look" in nothing.stderr
    first = await look(cli, "--look")
    assert await look(cli) == first
    await facts.execute("DELETE FROM ledger.calls WHERE tenant_id = 'acme'")
    again = await look(cli, "--look")
    assert [row["recommendation_id"] for row in again["rows"]] == [
        row["recommendation_id"] for row in first["rows"] if row["tenant_id"] == "fails"
    ]
    shown = await cli("recommendations", "--kind", "avoid_failures", "--tenant", "fails")
    assert "Find out why calls end as malformed_answer: 2 attempts" in shown.stdout
