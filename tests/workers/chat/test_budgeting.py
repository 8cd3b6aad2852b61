"""What a worker decides by the budgets that it knows, on a database of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

import pytest

from observatory.adapters.live_prices import LivePrices
from observatory.adapters.postgres.budgets import Budgets
from observatory.adapters.postgres.pool import Pool, open_pool
from observatory.adapters.prices import shipped_book
from observatory.adapters.providers.base import LLMProvider, ProviderKind
from observatory.rules.budgets import Budget
from tests.databases import new_database
from tests.stack import LiveStack
from tests.workers.chat.running import ask
from workers.chat.budgeting import Budgeting, NoBound, service_tiers

MOST_TOKENS = 5 + 8 + 16  # of "Hello", by its bytes, with what is added around it
MILLION = Decimal(10**6)


@dataclass(frozen=True)
class Provider:
    """What a decision needs to know of one."""

    kind: ProviderKind = "openai"
    name: str = "sim-openai"


def provider(kind: ProviderKind = "openai") -> LLMProvider:
    return cast(LLMProvider, Provider(kind))


@pytest.fixture
async def pool(stack: LiveStack) -> AsyncIterator[Pool]:
    pool = await open_pool(await new_database(stack), size=2, application="test")
    yield pool
    await pool.close()


@pytest.fixture
def budgeting(pool: Pool) -> Budgeting:
    return Budgeting(Budgets(pool), LivePrices(pool, shipped_book()), 100)


async def opened(pool: Pool, name: str, **fields: Any) -> Budget:
    usual: dict[str, Any] = {"tenant_id": "default", "scope": "tenant", "limit_usd": Decimal(1), "hard": True}
    budget = Budget(**{"budget_id": name, **usual, "period": "day", **fields})
    await Budgets(pool).create(budget)
    return budget


async def test_only_hard_open_budgets_that_cover_a_request_are_reserved(pool: Pool, budgeting: Budgeting) -> None:
    await opened(pool, "tenant")
    await opened(pool, "soft", hard=False)
    await opened(pool, "another tenant", tenant_id="other")
    await opened(pool, "user", scope="user", scope_value="u")
    await opened(pool, "another user", scope="user", scope_value="v")
    await opened(pool, "tag", scope="tag", scope_value="team=a")
    assert budgeting.reservation(ask(), provider()) is None  # nothing is known yet
    await budgeting.refresh()
    request = ask("Hello", user_id="u", tags={"team": "a"})

    def names() -> set[str]:
        reservation = budgeting.reservation(request, provider())
        return set() if reservation is None else {period.budget_id for period in reservation.periods}

    assert names() == {"tenant", "user", "tag"}
    version = budgeting.version
    await Budgets(pool).close("user")
    await budgeting.refresh()
    assert names() == {"tenant", "tag"}
    assert budgeting.version > version


@pytest.mark.parametrize(
    ("fields", "usd_per_million"),
    [
        # A project may be set to the tier `priority`, which is what counts where none is asked for.
        ({}, ("0.25", "1")),
        ({"parameters": {"service_tier": "auto"}}, ("0.25", "1")),
        ({"parameters": {"service_tier": "default"}}, ("0.15", "0.6")),
    ],
)
async def test_the_dearest_tier_that_may_serve_is_reserved(
    pool: Pool, budgeting: Budgeting, fields: dict[str, Any], usd_per_million: tuple[str, str]
) -> None:
    await opened(pool, "b")
    await budgeting.refresh()
    reservation = budgeting.reservation(ask("Hello", **fields), provider())
    assert reservation is not None
    parameters = len('{"service_tier": ""}') + len(fields["parameters"]["service_tier"]) if fields else 0
    usd_in, usd_out = map(Decimal, usd_per_million)
    assert reservation.amount_usd == ((MOST_TOKENS + parameters) * usd_in + 100 * usd_out) / MILLION


async def test_cache_writes_count_as_the_dearest_input(pool: Pool, budgeting: Budgeting) -> None:
    await opened(pool, "b")
    await budgeting.refresh()
    request = ask("Hello", model="claude-haiku-4-5", max_output_tokens=10)
    reservation = budgeting.reservation(request, provider("anthropic"))
    assert reservation is not None
    assert reservation.amount_usd == (MOST_TOKENS * Decimal(2) + 10 * Decimal(5)) / MILLION


async def test_without_a_bound_the_budget_and_the_reason_are_told(pool: Pool, budgeting: Budgeting) -> None:
    await opened(pool, "b", limit_usd=Decimal("2.5"))
    await budgeting.refresh()
    with pytest.raises(NoBound) as raised:
        budgeting.reservation(ask(model="sim-unpriced"), provider())
    error = await budgeting.error_of(raised.value)
    assert error.budget is not None
    assert (error.code, error.budget.budget_id, error.budget.left_usd) == ("budget_exceeded", "b", Decimal("2.5"))
    assert "b is a hard limit: the model sim-unpriced has no known price; $2.5 of $2.5 are left" in error.message


async def test_a_budget_that_this_worker_cannot_keep_stops_it(pool: Pool, budgeting: Budgeting) -> None:
    await opened(pool, "b")
    await pool.execute("UPDATE journal.budgets SET time_zone = 'Mars/Olympus'")
    with pytest.raises(RuntimeError, match="cannot be kept by this worker: no time zone is called 'Mars/Olympus'"):
        await budgeting.refresh()


@pytest.mark.parametrize(
    ("kind", "asked", "tiers"),
    [
        ("openai", None, [(None, True), ("priority", False)]),
        ("azure", "auto", [(None, True), ("priority", False)]),
        ("openai", "default", [(None, True)]),
        ("openai", "flex", [(None, True), ("flex", True)]),
        ("anthropic", "auto", [(None, True)]),
    ],
)
def test_in_which_tiers_a_request_may_be_served(
    kind: ProviderKind, asked: object, tiers: list[tuple[str | None, bool]]
) -> None:
    assert list(service_tiers(kind, asked)) == tiers
