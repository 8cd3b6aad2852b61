"""What is written by COPY is, to the last digit and character, what the driver itself would have written."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import asyncpg
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observatory.adapters.postgres.copying import CHUNK_ROWS, copy_rows, csv_lines
from observatory.adapters.postgres.pool import Pool, open_pool
from tests.stack import LiveStack

COLUMNS = ("place", "word", "amount", "count", "measure", "at", "name", "tags")
KINDS = ("int", "text", "numeric", "bigint", "double precision", "timestamptz", "uuid", "jsonb")
TABLE = ", ".join(f"{column} {kind}" for column, kind in zip(COLUMNS, KINDS, strict=True))

# What JSON, CSV or COPY could take for something of their own, more often than chance would have it.
characters = st.sampled_from('\\"\n\r\t,[]{}.Nnul\x01\x7f\u2028€') | st.characters(
    exclude_categories=["Cs"], exclude_characters="\0"
)
texts = st.text(characters, max_size=12) | st.sampled_from(
    ["", "null", "None", "\\N", "\\.", "\n\\.\n", "]\n[", '"', "\\"]
)
amounts = st.builds(
    lambda digits, exponent: Decimal(f"{digits}E{exponent}"),
    st.integers(-(10**34) + 1, 10**34 - 1),
    st.integers(-43, 2),
)
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
first, last = datetime(1970, 1, 2, tzinfo=UTC), datetime(2500, 12, 30, tzinfo=UTC)
times = st.datetimes(first.replace(tzinfo=None), last.replace(tzinfo=None), timezones=zones | st.just(UTC))
jsons = texts.map(lambda text: orjson.dumps({"a": text}).decode())
rows = st.tuples(
    st.none() | texts,
    st.none() | amounts,
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.none() | times,
    st.none() | st.uuids(),
    st.none() | jsons,
)


@pytest.fixture
async def pool(stack: LiveStack) -> AsyncIterator[Pool]:
    made = await open_pool(stack.database_url, size=1, application="test")
    yield made
    await made.close()


async def test_every_value_arrives_as_the_driver_would_have_sent_it(pool: Pool) -> None:
    cases: list[tuple[object, ...]] = []

    @settings(max_examples=1500, database=None)
    @given(rows)
    def collect(row: tuple[object, ...]) -> None:
        cases.append((len(cases), *row))

    collect()
    assert len(cases) > CHUNK_ROWS
    read = f"SELECT {', '.join(f'{column}::text' for column in COLUMNS)} FROM {{}} ORDER BY place"
    async with pool.acquire() as connection, connection.transaction():
        for table in ("ours", "theirs"):
            await connection.execute(f"CREATE TEMP TABLE {table} ({TABLE}) ON COMMIT DROP")
        await copy_rows(connection, "ours", COLUMNS, cases)
        await connection.copy_records_to_table("theirs", records=cases, columns=COLUMNS)
        ours, theirs = [await connection.fetch(read.format(table)) for table in ("ours", "theirs")]
        assert ours == theirs
        stored = await connection.fetch("SELECT place, word, amount, count, measure, at, name FROM ours ORDER BY place")
        assert [tuple(row) for row in stored] == [case[:-1] for case in cases]


async def test_nul_is_refused_as_a_value_and_half_a_surrogate_pair_before_it_is_sent(pool: Pool) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("CREATE TEMP TABLE ours (word text) ON COMMIT DROP")
        for word, refusal in (("a\0b", asyncpg.DataError), ("\ud800", UnicodeEncodeError)):
            with pytest.raises(refusal):
                async with connection.transaction():
                    await copy_rows(connection, "ours", ["word"], [("good",), (word,)])
        await copy_rows(connection, "ours", ["word"], [("good",)])
        assert await connection.fetchval("SELECT array_agg(word) FROM ours") == ["good"]


async def test_no_rows_are_no_rows(pool: Pool) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("CREATE TEMP TABLE ours (word text) ON COMMIT DROP")
        await copy_rows(connection, "ours", ["word"], [])
        assert await connection.fetchval("SELECT count(*) FROM ours") == 0


def test_a_row_is_one_line_of_plain_csv() -> None:
    assert csv_lines([("a", None, 1, 0.5, Decimal("1E-7")), ('b"', "c\\", 2, None, None)]) == (
        b'"a",null,1,0.5,"1E-7"\n"b\\"","c\\\\",2,null,null\n'
    )
