"""Questions to the sums of calls for clients that wait, on connections of their own: long ones hold up no chat.

A question that takes too long is ended by the database and refused with 422; while the database is away it is 503.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import TypeVar

import asyncpg

from observatory.adapters.postgres.analytics import SESSION, Question, Row, ask, snapshot, watermark
from observatory.adapters.postgres.costs import watermark as ledger_watermark
from observatory.adapters.postgres.freshness import Reached, read_freshness
from observatory.adapters.postgres.pool import TRANSIENT, Connection, Pool, describe
from observatory.adapters.postgres.waste import WasteQuery, WasteRow, read_waste
from workers.gateway.analytics_query import unfit
from workers.gateway.database import Database, DatabaseAway, unfit_value
from workers.gateway.refusals import Refusal, not_available

log = logging.getLogger(__name__)
T = TypeVar("T")

LONGEST_S = 20
SLOWEST_READER_S = 60
"""Whoever takes no row for so long gets no more: a snapshot that is held keeps the database from cleaning up."""

POOL_SIZE = 3


class AnalyticsDesk:
    """Answers of one gateway. `topic` is `llm.calls` as it is called here."""

    def __init__(self, url: str, topic: str) -> None:
        session = {
            **SESSION,
            "statement_timeout": f"{LONGEST_S}s",
            "idle_in_transaction_session_timeout": f"{SLOWEST_READER_S}s",
        }
        self._database = Database(url, size=POOL_SIZE, application="gateway-analytics", session=session)
        self._topic = topic

    async def start(self) -> None:
        """Connects to the database, for as long as it takes."""
        await self._database.start()

    async def stop(self) -> None:
        """Disconnects."""
        await self._database.stop()

    async def rows(self, question: Question) -> tuple[datetime | None, AsyncIterator[Row]]:
        """The watermark and the rows, of one snapshot, which ends with the rows. Raises `Refusal`.

        What fails fails here, before anything is answered: the database has worked out all rows before the first.
        """
        answer = _answer(self._pool(), self._topic, question)
        try:
            moment = await anext(answer)
        except asyncpg.InvalidParameterValueError as error:
            raise unfit("time_zone", str(error)) from error
        except asyncpg.DataError as error:
            raise unfit_value(error) from error
        except TRANSIENT as error:
            raise _refused(error) from error
        assert not isinstance(moment, Row)
        return moment, _rows_of(answer)

    async def waste(self, query: WasteQuery) -> tuple[datetime | None, list[WasteRow], WasteRow]:
        """The watermark, the groups and their total. Raises `Refusal`."""
        pool = self._pool()
        try:
            moment = await ledger_watermark(pool, self._topic)
            return moment, *await read_waste(pool, query)
        except asyncpg.DataError as error:
            raise unfit_value(error) from error
        except TRANSIENT as error:
            raise _refused(error) from error

    async def freshness(self) -> tuple[datetime, list[Reached], datetime | None]:
        """The database's time, how far each sink is, and the watermark. Raises `Refusal`."""
        try:
            async with snapshot(self._pool()) as connection:
                moment = await watermark(connection, self._topic)
                return *await read_freshness(connection), moment
        except TRANSIENT as error:
            raise _refused(error) from error

    async def in_snapshot(self, operation: Callable[[Connection], Awaitable[T]]) -> tuple[datetime | None, T]:
        """The watermark and what a reader finds with it. Raises `Refusal`."""
        try:
            async with snapshot(self._pool()) as connection:
                return await watermark(connection, self._topic), await operation(connection)
        except asyncpg.DataError as error:
            raise unfit_value(error) from error
        except TRANSIENT as error:
            raise _refused(error) from error

    async def read(self, operation: Callable[[Pool], Awaitable[T]]) -> T:
        """What another reader of sums finds. Raises `Refusal`."""
        pool = self._pool()
        try:
            return await operation(pool)
        except asyncpg.DataError as error:
            raise unfit_value(error) from error
        except TRANSIENT as error:
            raise _refused(error) from error

    def _pool(self) -> Pool:
        try:
            return self._database.pool
        except DatabaseAway as error:
            raise not_available("the database is away; try again") from error


async def _answer(pool: Pool, topic: str, question: Question) -> AsyncIterator[datetime | Row | None]:
    """First the watermark, then the rows, of which the first is there already."""
    async with snapshot(pool) as connection:
        moment = await watermark(connection, topic)
        rows = ask(connection, question)
        first = await anext(rows, None)
        yield moment
        if first is not None:
            yield first
        async for row in rows:
            yield row


async def _rows_of(answer: AsyncIterator[datetime | Row | None]) -> AsyncIterator[Row]:
    async for each in answer:
        assert isinstance(each, Row)
        yield each


def _refused(error: BaseException) -> Refusal:
    if isinstance(error, asyncpg.QueryCanceledError):
        return Refusal(
            422,
            "too_much",
            f"this takes more than {LONGEST_S} s: ask for a shorter period, or for tenants and models alone",
            final=True,
        )
    log.warning("database: %s", describe(error))
    return not_available("the database is away; try again")
