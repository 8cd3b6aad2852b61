"""The price book in PostgreSQL: what is recorded comes back, in order, and is never changed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import asyncpg
import pytest

from observatory.adapters.live_prices import LivePrices
from observatory.adapters.postgres.pool import Pool, open_pool
from observatory.adapters.postgres.prices import NoPrices, load_book, newest_version, record, record_shipped
from observatory.adapters.prices import SHIPPED_VERSION, shipped_book, shipped_rows
from observatory.rules.price_rows import PriceRow
from observatory.rules.pricing import PriceQuery
from tests.databases import new_database
from tests.stack import LiveStack

NOW = datetime(2026, 11, 25, tzinfo=UTC)
QUERY = PriceQuery(kind="openai", model="gpt-4o", at=NOW, tenant_id="acme")
OURS = PriceRow(
    provider="openai",
    model="gpt-4o",
    tenant_id="acme",
    valid_from=datetime(2026, 1, 1, tzinfo=UTC),
    valid_to=datetime(2027, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    input_usd_mtok=Decimal("1.000000000001"),
    output_usd_mtok=Decimal("2.50"),
    cache_read_usd_mtok=Decimal(0),
    multipliers=(("batch", Decimal("0.50")), ("flex", Decimal("0.333333333333"))),
)


@pytest.fixture
async def pool(stack: LiveStack) -> AsyncIterator[Pool]:
    """A database made ready, of this test's own."""
    made = await open_pool(await new_database(stack), size=4, application="test")
    yield made
    await made.close()


async def test_the_shipped_prices_are_the_first_version_and_come_back_as_they_are(pool: Pool) -> None:
    book = await load_book(pool)
    (version,) = book.versions
    assert (version.name, version.source) == (SHIPPED_VERSION, "shipped")
    assert book.shipped is not None
    stored = [
        row for provider in book.shipped.providers for model in book.shipped.models(provider) for row in model.rows
    ]
    assert {replace(row, list_match=None) for row in stored} == {
        replace(row, list_match=None) for row in shipped_rows()
    }
    assert book.rates(QUERY) == shipped_book().rates(QUERY)


async def test_a_shipped_version_is_imported_once_whoever_comes_at_the_same_time(pool: Pool) -> None:
    imports = [record_shipped(pool, "genai-prices/9.9", [*shipped_rows()][:5]) for _ in range(4)]
    made = await asyncio.gather(*imports)
    assert sum(version is not None for version in made) == 1
    assert await pool.fetchval("SELECT count(*) FROM ledger.prices WHERE version = $1", await newest_version(pool)) == 5


async def test_a_price_comes_back_with_all_its_digits(pool: Pool) -> None:
    tier = replace(OURS, above_tokens=200_000, multipliers=(), input_usd_mtok=Decimal(7))
    version = await record(pool, "set", [OURS, tier], "negotiated")
    assert (version.name, version.note) == (f"book/{version.version}", "negotiated")
    book = await load_book(pool)
    assert [one.row for one in book.own_rows] == [OURS, tier]
    assert f"{book.own_rows[0].row.output_usd_mtok}" == "2.50"


async def test_recorded_versions_rise_whoever_records_at_the_same_time(pool: Pool) -> None:
    made = await asyncio.gather(*(record(pool, "set", [replace(OURS, tenant_id=str(n))]) for n in range(8)))
    in_order = sorted(made, key=lambda version: version.version)
    assert [version.recorded_at for version in in_order] == sorted(version.recorded_at for version in made)
    assert len({version.name for version in made}) == 8
    assert list((await load_book(pool)).versions[1:]) == in_order


async def test_a_live_book_sees_what_is_recorded_and_reads_nothing_twice(pool: Pool) -> None:
    live = await LivePrices.load(pool)
    before = live.book
    assert not await live.refresh()
    assert live.book is before
    version = await record(pool, "set", [OURS])
    assert await live.refresh()
    found, listed = live.rates(QUERY), before.rates(QUERY)
    assert found is not None
    assert listed is not None
    assert (found[1], listed[1]) == (version.name, SHIPPED_VERSION)
    assert live.book.shipped is before.shipped
    assert live.book.as_of(before.version).rates(QUERY) == listed


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger.prices SET input_usd_mtok = 0",
        "DELETE FROM ledger.prices",
        "TRUNCATE ledger.prices",
        "UPDATE ledger.price_versions SET recorded_at = now()",
        "DELETE FROM ledger.price_versions",
        "TRUNCATE ledger.price_versions, ledger.prices",
    ],
)
async def test_the_book_is_only_added_to(pool: Pool, statement: str) -> None:
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await pool.execute(statement)


@pytest.mark.parametrize(
    "bad",
    [
        {"input_usd_mtok": Decimal("-0.1")},
        {"input_usd_mtok": Decimal("NaN")},
        {"multipliers": (), "above_tokens": -1},
        {"valid_to": OURS.valid_from},
        {"model": None},
    ],
)
async def test_what_no_check_let_through_leaves_no_version_behind(pool: Pool, bad: dict[str, object]) -> None:
    before = await newest_version(pool)
    with pytest.raises(asyncpg.CheckViolationError):
        await record(pool, "set", [OURS, replace(OURS, tenant_id="b", **bad)])  # type: ignore[arg-type]  # PriceRow's fields
    assert await newest_version(pool) == before
    assert (await load_book(pool)).own_rows == ()


async def test_the_same_price_twice_in_a_version_is_refused(pool: Pool) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        await record(pool, "set", [OURS, OURS])


async def test_an_empty_book_is_refused_with_what_to_do(pool: Pool) -> None:
    await pool.execute("ALTER TABLE ledger.prices DISABLE TRIGGER append_only")
    await pool.execute("ALTER TABLE ledger.price_versions DISABLE TRIGGER append_only")
    await pool.execute("TRUNCATE ledger.price_versions, ledger.prices")
    with pytest.raises(NoPrices, match="observatory migrate"):
        await LivePrices.load(pool)
