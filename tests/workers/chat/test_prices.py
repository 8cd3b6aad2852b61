"""A running chat worker costs calls with the newest prices, and what it costed stays as it is."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from uuid import uuid4

import pytest

from observatory.adapters.postgres.migrations import migrate
from observatory.adapters.postgres.pool import Pool, open_pool
from observatory.adapters.postgres.prices import record
from observatory.adapters.prices import SHIPPED_VERSION
from observatory.rules.price_rows import PriceRow
from schemas.calls import LlmCallRecorded
from schemas.chat import ChatCompleted
from tests.databases import MIGRATIONS, new_empty_database
from tests.simulator import Simulator, running_simulator
from tests.stack import LiveStack
from tests.workers.chat.running import Books, ask, place

PATIENCE_S = 30


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with running_simulator(tmp_path_factory.mktemp("simulator")) as running:
        yield running


@pytest.fixture(scope="module")
async def books(stack: LiveStack, simulator: Simulator) -> AsyncIterator[Books]:
    async with place(stack, simulator, "prices.") as here:
        here.worker()
        yield here.books


@pytest.fixture
async def pool(stack: LiveStack, books: Books) -> AsyncIterator[Pool]:
    made = await open_pool(stack.database_url, size=1, application="test")
    yield made
    await made.close()


async def call(books: Books, tenant: str, model: str) -> LlmCallRecorded:
    """A call of 100 tokens in and 20 out, as it was recorded."""
    request = ask("[[sim in=100 out=20]]", tenant_id=tenant, model=model)
    assert isinstance(await books.outcome(await books.send(request)), ChatCompleted)
    await books.until(lambda: bool(books.calls_of(request.request_id)), "the call is recorded")
    return books.calls_of(request.request_id)[0]


async def call_with(books: Books, tenant: str, model: str, version: str) -> LlmCallRecorded:
    """The first call that is costed with that version."""
    async with asyncio.timeout(PATIENCE_S):
        while (made := await call(books, tenant, model)).price_version != version:
            pass
    return made


def price(tenant: str, model: str) -> PriceRow:
    return PriceRow(
        provider="openai", model=model, tenant_id=tenant, input_usd_mtok=Decimal("1.5"), output_usd_mtok=Decimal(2)
    )


async def test_an_unknown_model_has_a_cost_once_its_price_is_set(books: Books, pool: Pool) -> None:
    tenant = uuid4().hex
    before = await call(books, tenant, "sim-unpriced")
    assert (before.cost_usd, before.price_version) == (None, None)
    version = await record(pool, "set", [price(tenant, "sim-unpriced")])
    after = await call_with(books, tenant, "sim-unpriced", version.name)
    assert after.cost_usd == Decimal("0.00019")  # 100 * 1.5 + 20 * 2 = 190 dollars for a million


async def test_a_price_for_earlier_times_leaves_what_was_costed(books: Books, pool: Pool) -> None:
    tenant = uuid4().hex
    before = await call(books, tenant, "gpt-4o-mini")
    version = await record(pool, "set", [price(tenant, "gpt-4o-mini")])
    await call_with(books, tenant, "gpt-4o-mini", version.name)
    assert (await call(books, uuid4().hex, "gpt-4o-mini")).price_version == SHIPPED_VERSION
    (row,) = await books.rows("SELECT cost_usd, revision FROM journal.attempts WHERE call_id = $1", before.call_id)
    assert (row["cost_usd"], row["revision"]) == (before.cost_usd, before.revision)
    assert before.price_version == SHIPPED_VERSION


async def test_without_prices_a_worker_says_in_one_line_what_to_do(stack: LiveStack) -> None:
    url = await new_empty_database(stack)
    await migrate(url, MIGRATIONS)
    environment = {"OBSERVATORY_KAFKA": stack.kafka, "OBSERVATORY_DATABASE_URL": url, "OBSERVATORY_LOG_LEVEL": "ERROR"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "workers.chat", env=os.environ | environment, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(PATIENCE_S):
        _, said = await process.communicate()
    assert process.returncode == 2
    assert said == b"chat: the price book is empty: 'observatory migrate' imports the shipped prices\n"
