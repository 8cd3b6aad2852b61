"""How fast questions about a month of calls are answered: facts are made, summed by the ledger, asked for over HTTP.

Each question is asked by one client over and over; before that, its cost is compared with a sum of the facts.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import asyncpg

from loadtests.bench.analytics_questions import BIG_TENANT, COSTS, Question
from loadtests.bench.closed_loop import ClosedLoop
from loadtests.bench.http import Answer
from loadtests.bench.problems import BenchError
from loadtests.bench.queries import (
    ANALYTICS_COST,
    ANALYTICS_HOLD,
    ANALYTICS_RELEASE,
    ANALYTICS_ROLLED,
    GENERATE_CONVERSATIONS,
    GENERATE_DAY,
    GENERATE_MINUTES,
    GENERATE_QUALITY,
    GENERATE_RECOMMENDATIONS,
    GENERATE_TRACES,
    GENERATE_UNITS,
    GENERATE_USERS,
)
from loadtests.bench.tally import Tally

FACTS = 10_000_000
DAYS = 31
SECONDS = 2.0
WARM_UP_S = 0.5
TARGET = "p95 < 100 ms"

_DAY = timedelta(days=1)
_ROLLED_S = 3600
_QUERY_S = 900
_SETTLED = timedelta(minutes=6)
"""After an hour's end the ledger sums it."""
_AT_ONCE = 2
"""Days that are made at the same time."""
_READ = (
    "ledger.calls", "ledger.rollup_1m", "ledger.rollup_1h", "ledger.rollup_1d", "ledger.rollup_1d_by",
    "ledger.rollup_1h_by", "ledger.rollup_1h_totals", "ledger.rollup_1d_totals", "ledger.rollup_1h_parts",
    "ledger.rollup_1d_parts", "ledger.rollup_1d_users", "ledger.rollup_1w_users", "ledger.waste_1d",
    "streams.conversations", "streams.quality", "streams.users",
    "streams.traces", "streams.experiment_units", "streams.recommendations",
)  # fmt: skip


async def prepare(database_url: str, facts: int, say: Callable[[str], None]) -> None:
    """Makes so many facts of the last days with their minutes and what streams make of them, and waits until the ledger
    has summed what is over.

    Raises `BenchError` when it does not.
    """
    async with asyncpg.create_pool(
        database_url, min_size=1, max_size=_AT_ONCE + 1, command_timeout=_QUERY_S,
        server_settings={"timezone": "UTC", "synchronous_commit": "off"},
    ) as pool:  # fmt: skip
        now = datetime.now(UTC)
        first = now.replace(hour=0, minute=0, second=0, microsecond=0) - (DAYS - 1) * _DAY
        days = [first + number * _DAY for number in range(DAYS)]
        async with pool.acquire() as holding:
            await holding.execute(ANALYTICS_HOLD)

            async def facts_of(day: datetime) -> None:
                say(f"analytics: {facts:,} facts, {day:%d %B}")
                await pool.execute(GENERATE_DAY, facts // DAYS, day)
                await pool.execute(GENERATE_MINUTES, day)

            await _each(days, facts_of)
            await holding.execute(ANALYTICS_RELEASE)
        over = (now - _SETTLED).replace(minute=0, second=0, microsecond=0)
        rolled = asyncio.create_task(_until_rolled(pool, first, over))
        try:
            await _streams(pool, days, say)
            say("analytics: the ledger sums hours and days")
            await rolled
        finally:
            rolled.cancel()
        say("analytics: as autovacuum leaves it")
        for table in _READ:
            await pool.execute(f"VACUUM (ANALYZE) {table}")


async def _each(days: Iterable[datetime], work: Callable[[datetime], Awaitable[None]]) -> None:
    """Some at a time."""
    free = asyncio.Semaphore(_AT_ONCE)

    async def one(day: datetime) -> None:
        async with free:
            await work(day)

    async with asyncio.TaskGroup() as group:
        for day in days:
            group.create_task(one(day))


async def _streams(pool: "asyncpg.Pool[asyncpg.Record]", days: Iterable[datetime], say: Callable[[str], None]) -> None:
    async def of_day(day: datetime) -> None:
        say(f"analytics: conversations, quality and traces, {day:%d %B}")
        for statement in (GENERATE_CONVERSATIONS, GENERATE_QUALITY, GENERATE_TRACES):
            await pool.execute(statement, day)

    await _each(days, of_day)
    say("analytics: users, units and recommendations")
    for statement in (GENERATE_USERS, GENERATE_UNITS, GENERATE_RECOMMENDATIONS):
        await pool.execute(statement)


async def _until_rolled(pool: "asyncpg.Pool[asyncpg.Record]", first: datetime, over: datetime) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + _ROLLED_S
    while left := await pool.fetchval(ANALYTICS_ROLLED, first, over):
        if loop.time() > end:
            raise BenchError(f"{left} hours and days were not summed within {_ROLLED_S // 60} minutes")
        await asyncio.sleep(1)


async def ask(question: Question, host: str, port: int, seconds: float) -> Tally:
    """Asks over and over for so long, one by one. Raises `BenchError` when an answer is none."""

    def is_answer(answer: Answer) -> bool:
        return answer.status == 200 and question.answer in answer.body

    tally = await ClosedLoop(question.request(host), is_answer, connections=1, seconds=seconds).run(host, port)
    if tally.errors:
        raise BenchError(f"{question.name}: {tally.first_error}")
    return tally


async def check(database_url: str, host: str, port: int) -> None:
    """Raises `BenchError` unless the cost of a whole day by the API is that of the facts, to the last digit."""
    question = Question("", COSTS, {"tenant": BIG_TENANT}, yesterday=True)
    period = question.period()
    found: list[bytes] = []

    def note(answer: Answer) -> bool:
        found.append(answer.body)
        return answer.status == 200

    await ClosedLoop(question.request(host), note, connections=1, seconds=SECONDS).run(host, port)
    database = await asyncpg.connect(database_url)
    try:
        times = [datetime.fromisoformat(period[name]) for name in ("from", "to")]
        wanted = await database.fetchval(ANALYTICS_COST, *times, BIG_TENANT)
    finally:
        await database.close()
    if not found:
        raise BenchError(f"the API had no answer within {SECONDS:g} s")
    cost = json.loads(found[0])["rows"][0]["cost_usd"]
    if Decimal(cost) != wanted:
        raise BenchError(f"the API says that a day cost {cost}, its facts {wanted}")
