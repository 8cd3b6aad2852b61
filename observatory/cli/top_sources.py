"""Where `observatory top` gets what it shows: the live feed, the API, Kafka and the database; asked again and again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Literal, TypeVar
from uuid import UUID

import aiohttp
from pydantic import BaseModel, ValidationError

from observatory.adapters.kafka import topic_name
from observatory.adapters.lag import Lag, read_lags, retried_letters, working_groups
from observatory.adapters.postgres.call_views import CallLine, CallQuery, one_call, some_calls
from observatory.adapters.postgres.costs import watermark
from observatory.adapters.settings import Settings
from observatory.adapters.verification import Busy, read_busy
from observatory.cli.outside import database, kafka_problems
from observatory.cli.problems import Problem
from observatory.cli.top_feed import SILENCE_S, listen, refusal
from observatory.cli.top_observed import Answers, GroupLine, GroupName, Observed, Work
from observatory.cli.top_words import exact
from schemas.http_alerts import AlertPage
from schemas.http_analytics import AnalyticsAnswer
from schemas.http_analytics_calls import CostRow, PerformanceRow
from schemas.http_budgets import BudgetList
from schemas.topics import LLM_CALLS
from streams.folds.catalogue import STREAMED_TOPICS

LAST = "60m"
ANSWERS_EVERY_S = 2.0
WORK_EVERY_S = 5.0
PATIENCE_S = 5.0

Grouping = Literal["provider,model", "tenant"]
B = TypeVar("B", bound=BaseModel)
T = TypeVar("T")


class Api:
    """Questions to a gateway; each raises `Problem` when it is not answered."""

    def __init__(self, session: aiohttp.ClientSession, url: str, headers: Mapping[str, str]) -> None:
        self._session, self._url, self._headers = session, url, headers

    async def answers(self) -> Answers:
        """Everything that is asked for again and again."""
        models, tenants, budgets, alerts = await asyncio.gather(
            self.groups("provider,model"),
            self.groups("tenant"),
            self._get("budgets", BudgetList),
            self._get("alerts", AlertPage),
        )
        standing = [budget for budget in budgets.budgets if budget.closed_at is None]
        return Answers(models=models, tenants=tenants, budgets=standing, alerts=alerts.alerts)

    async def groups(self, by: Grouping, tenant: str | None = None) -> list[GroupLine]:
        """The groups of the last hour, of one tenant or of all that may be seen, the dearest first."""
        asked = {"last": LAST, "group_by": by, **({} if tenant is None else {"tenant": tenant})}
        costs, performance = await asyncio.gather(
            self._get("analytics/costs", AnalyticsAnswer[CostRow], asked),
            self._get("analytics/performance", AnalyticsAnswer[PerformanceRow], asked),
        )
        went = {_name(row.group, by): row for row in performance.rows}
        return [_line(_name(row.group, by), row, went.get(_name(row.group, by))) for row in costs.rows]

    async def _get(self, path: str, body: type[B], asked: Mapping[str, str] | None = None) -> B:
        timeout = aiohttp.ClientTimeout(total=SILENCE_S)
        try:
            async with self._session.get(
                f"{self._url}/api/v1/{path}", params=asked, headers=self._headers, timeout=timeout
            ) as response:
                if response.status != 200:
                    raise Problem(f"{path}: {await refusal(response)}")
                return body.model_validate_json(await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Problem(f"{path}: {self._url} does not answer: {str(error) or type(error).__name__}") from error
        except ValidationError as error:
            raise Problem(f"{path}: {self._url} says what is not understood; is it of another version?") from error


def _name(group: Mapping[str, str | None] | None, by: Grouping) -> GroupName:
    return tuple((group or {}).get(name) or "" for name in by.split(","))


def _line(name: GroupName, cost: CostRow, went: PerformanceRow | None) -> GroupLine:
    return GroupLine(
        name=name,
        calls=cost.calls,
        errors=cost.errors,
        unpriced_calls=cost.unpriced_calls,
        cost_usd=cost.cost_usd,
        estimated_cost_usd=cost.estimated_cost_usd,
        latency_p50_ms=went.latency_p50_ms if went else None,
        latency_p95_ms=went.latency_p95_ms if went else None,
        ttft_p95_ms=went.ttft_p95_ms if went else None,
    )


async def read_work(config: Settings, problems: dict[str, str]) -> Work:
    """Asks Kafka and the database; what does not answer is noted in `problems`."""
    working, letters = working_groups(config.kafka, STREAMED_TOPICS), retried_letters(config.kafka)

    async def of_kafka() -> list[Lag]:
        with kafka_problems(config.kafka):
            return await read_lags(config.kafka, [*working, *letters])

    async def of_database() -> tuple[Busy, datetime | None]:
        async with database(config.database_url, size=1) as pool:
            return await read_busy(pool), await watermark(pool, topic_name(config.kafka, LLM_CALLS))

    lags, state = await asyncio.gather(
        _patiently("Kafka", of_kafka(), problems), _patiently("PostgreSQL", of_database(), problems)
    )
    busy, moment = state or (None, None)
    return Work(
        lags=None if lags is None else lags[: len(working)],
        letters=None if lags is None else lags[len(working) :],
        busy=busy,
        watermark=moment,
    )


async def _patiently(what: str, answer: Awaitable[T], problems: dict[str, str]) -> T | None:
    """The answer, or None and a problem noted under this name."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            found = await answer
    except Problem as problem:
        problems[what] = str(problem)
        return None
    except TimeoutError:
        problems[what] = f"{what} has not answered within {PATIENCE_S:.0f} s"
        return None
    problems.pop(what, None)
    return found


class LedgerBooks:
    """Single calls from the database; groups from the API."""

    def __init__(self, config: Settings, api: Api) -> None:
        self._config, self._api = config, api

    async def calls(self, query: CallQuery) -> list[CallLine]:
        """Some calls. Raises `Problem`."""
        async with database(self._config.database_url, size=1) as pool:
            return await some_calls(pool, query)

    async def call(self, call_id: UUID, started_at: datetime) -> list[tuple[str, str]]:
        """What is known of one, and of all attempts of its request. Raises `Problem`."""
        async with database(self._config.database_url, size=1) as pool:
            found = await one_call(pool, call_id, started_at)
        if found is None:
            raise Problem(f"there is no call {call_id} any more")
        fields, attempts = found
        lines = [(name, exact(value)) for name, value in fields.items() if value is not None]
        for attempt in attempts:
            said = " ".join(exact(value) for name, value in attempt.items() if value is not None and name != "attempt")
            lines.append((f"attempt {attempt['attempt']}", said))
        return lines

    async def models_of(self, tenant: str) -> list[GroupLine]:
        """One tenant's models. Raises `Problem`."""
        return await self._api.groups("provider,model", tenant)


@asynccontextmanager
async def observing(config: Settings, observed: Observed, headers: Mapping[str, str]) -> AsyncIterator[Api]:
    """Keeps `observed` up to date while it is entered."""
    async with aiohttp.ClientSession() as session:
        api = Api(session, observed.url, headers)

        async def answers() -> None:
            found = await _patiently("API", api.answers(), observed.problems)
            observed.answers = found or observed.answers

        async def work() -> None:
            observed.work = await read_work(config, observed.problems)

        running = [
            asyncio.create_task(listen(session, observed.url, headers, observed.feed)),
            asyncio.create_task(_keep(answers, ANSWERS_EVERY_S)),
            asyncio.create_task(_keep(work, WORK_EVERY_S)),
        ]
        try:
            yield api
        finally:
            for task in running:
                task.cancel()
            await asyncio.wait(running)


async def _keep(turn: Callable[[], Awaitable[None]], every_s: float) -> None:
    while True:
        await turn()
        await asyncio.sleep(every_s)
