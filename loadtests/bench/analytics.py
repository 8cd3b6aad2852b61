"""How fast questions about a month of calls are answered: facts are made, summed by the ledger, asked for over HTTP.

Each question is asked by one client over and over; before that, its cost is compared with a sum of the facts.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import urlencode

import asyncpg

from loadtests.bench.closed_loop import ClosedLoop
from loadtests.bench.http import Answer, get
from loadtests.bench.phases import Cpu, measured_cpu
from loadtests.bench.problems import BenchError
from loadtests.bench.queries import (
    ANALYTICS_COST,
    ANALYTICS_HOLD,
    ANALYTICS_RELEASE,
    ANALYTICS_ROLLED,
    GENERATE_DAY,
    GENERATE_MINUTES,
)
from loadtests.bench.tally import Tally
from schemas.base import rfc3339

FACTS = 10_000_000
DAYS = 31
SECONDS = 3.0
TARGET = "p95 < 100 ms"

_DAY = timedelta(days=1)
_COSTS = "/api/v1/analytics/costs"
_PERFORMANCE = "/api/v1/analytics/performance"
_BIG_TENANT = "analytics-00"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC).toordinal()
_ROLLED_S = 3600
_SETTLED = timedelta(minutes=6)
"""After an hour's end the ledger sums it."""


@dataclass(frozen=True)
class Question:
    """A path and what is asked there; `yesterday`: about the last whole day."""

    name: str
    path: str
    query: Mapping[str, str]
    yesterday: bool = False

    def request(self, host: str) -> bytes:
        """As it goes over the wire."""
        yesterday = (datetime.now(UTC) - _DAY).toordinal() - _EPOCH
        query = {name: value.format(day=yesterday) for name, value in self.query.items()}
        return get(host, f"{self.path}?{urlencode({**query, **self.period()})}")

    def period(self) -> Mapping[str, str]:
        """The whole day that is over, where it is about that."""
        if not self.yesterday:
            return {}
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return {"from": rfc3339(today - _DAY), "to": rfc3339(today)}


QUESTIONS = (
    Question("24 hours by model", _COSTS, {"last": "24h", "group_by": "model"}),
    Question("24 hours by hour", _COSTS, {"last": "24h", "granularity": "hour"}),
    Question("7 days by hour", _COSTS, {"last": "7d", "granularity": "hour"}),
    Question(
        "7 days by tenant, with the 7 before", _COSTS, {"last": "7d", "group_by": "tenant", "compare": "previous"}
    ),
    Question("30 days by model", _COSTS, {"last": "30d", "group_by": "model"}),
    Question("30 days by tenant", _COSTS, {"last": "30d", "group_by": "tenant"}),
    Question("30 days by day", _COSTS, {"last": "30d", "granularity": "day"}),
    Question(
        "30 days by day in Prague",
        _COSTS,
        {"last": "30d", "granularity": "day", "time_zone": "Europe/Prague", "tenant": _BIG_TENANT},
    ),
    Question("top 10 users of a day", _COSTS, {"group_by": "user", "top": "10"}, yesterday=True),
    Question("a user's month by day", _COSTS, {"last": "30d", "granularity": "day", "user": "user-7"}),
    Question("a conversation", _COSTS, {"last": "30d", "conversation": "conversation-{day}-77"}),
    Question("performance, 24 hours by model", _PERFORMANCE, {"last": "24h", "group_by": "model"}),
    Question("performance, 7 days by model", _PERFORMANCE, {"last": "7d", "group_by": "model"}),
    Question(
        "performance, 30 days of a tenant by model",
        _PERFORMANCE,
        {"last": "30d", "group_by": "model", "tenant": _BIG_TENANT},
    ),
    Question("performance, 30 days by day", _PERFORMANCE, {"last": "30d", "granularity": "day"}),
    Question("models side by side, 7 days", "/api/v1/analytics/models/compare", {"last": "7d"}),
)


async def prepare(database_url: str, facts: int, say: Callable[[str], None]) -> None:
    """Makes so many facts of the last days with their minutes, and waits until the ledger has summed what is over.

    Raises `BenchError` when it does not.
    """
    database = await asyncpg.connect(database_url, command_timeout=600, server_settings={"timezone": "UTC"})
    try:
        now = datetime.now(UTC)
        first = now.replace(hour=0, minute=0, second=0, microsecond=0) - (DAYS - 1) * _DAY
        await database.execute(ANALYTICS_HOLD)
        for number in range(DAYS):
            say(f"analytics: {facts:,} facts, day {number + 1} of {DAYS}")
            await database.execute(GENERATE_DAY, facts // DAYS, first + number * _DAY)
            await database.execute(GENERATE_MINUTES, first + number * _DAY)
        await database.execute(ANALYTICS_RELEASE)
        over = (now - _SETTLED).replace(minute=0, second=0, microsecond=0)
        await _until_rolled(database, first, over, say)
        say("analytics: as autovacuum leaves it")
        for table in ("calls", "rollup_1m", "rollup_1h", "rollup_1d", "rollup_1d_by"):
            await database.execute(f"VACUUM (ANALYZE) ledger.{table}")
    finally:
        await database.close()


async def _until_rolled(
    database: "asyncpg.Connection[asyncpg.Record]", first: datetime, over: datetime, say: Callable[[str], None]
) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + _ROLLED_S
    while left := await database.fetchval(ANALYTICS_ROLLED, first, over):
        if loop.time() > end:
            raise BenchError(f"{left} hours and days were not summed within {_ROLLED_S // 60} minutes")
        say(f"analytics: the ledger has {left} hours and days to sum")
        await asyncio.sleep(1)


async def ask(
    database_url: str, host: str, port: int, processes: Callable[[], Mapping[str, int]], say: Callable[[str], None]
) -> AsyncIterator[tuple[Question, Tally, Cpu]]:
    """Asks each question for some seconds. Raises `BenchError` when an answer is none, or costs are not the facts'."""
    await _check(database_url, host, port)
    for question in QUESTIONS:
        say(f"analytics: {question.name}")
        with measured_cpu(processes()) as cpu:
            loop = ClosedLoop(question.request(host), _has_rows, connections=1, seconds=SECONDS)
            tally = await loop.run(host, port)
        if tally.errors:
            raise BenchError(f"{question.name}: {tally.first_error}")
        yield question, tally, cpu


def _has_rows(answer: Answer) -> bool:
    return answer.status == 200 and b'"rows":[{' in answer.body


async def _check(database_url: str, host: str, port: int) -> None:
    """The cost of a whole day by the API is that of the facts, to the last digit."""
    question = Question("", _COSTS, {"tenant": _BIG_TENANT}, yesterday=True)
    period = question.period()
    found: list[bytes] = []

    def note(answer: Answer) -> bool:
        found.append(answer.body)
        return answer.status == 200

    await ClosedLoop(question.request(host), note, connections=1, seconds=SECONDS).run(host, port)
    database = await asyncpg.connect(database_url)
    try:
        times = [datetime.fromisoformat(period[name]) for name in ("from", "to")]
        wanted = await database.fetchval(ANALYTICS_COST, *times, _BIG_TENANT)
    finally:
        await database.close()
    if not found:
        raise BenchError(f"the API had no answer within {SECONDS:g} s")
    cost = json.loads(found[0])["rows"][0]["cost_usd"]
    if Decimal(cost) != wanted:
        raise BenchError(f"the API says that a day cost {cost}, its facts {wanted}")
