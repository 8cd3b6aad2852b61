"""What attempts cost that gave no answer to anybody, by cause: from sums of days where they hold, else from the facts.

Causes are disjoint. A call whose request went on within a day is wasted, whatever its provider said; of the last call
of a request only one that did not end well is, or whose answer only the provider's export knows. `worker_died` are
calls whose worker did not live to book their end, reconciled or not; `answer_discarded` answers that came when another
worker had the request already.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal

from asyncpg import Record

from observatory.adapters.postgres.pool import Connection, Pool
from observatory.adapters.postgres.queries import load_queries
from observatory.adapters.postgres.statements import Arguments, at, ranges, within
from observatory.rules.periods import Window
from observatory.rules.segments import DAY, Rolled, segments, step_of

_SQL = load_queries("observatory.adapters.postgres", "waste.sql")
_PARTS = {name: _SQL[name] for name in ("judged", "caused", "sums")}

WasteGrouping = Literal["cause", "model", "provider", "tenant"]

_COLUMN: dict[WasteGrouping, str] = {
    "cause": "cause", "model": "model", "provider": "provider", "tenant": "tenant_id",
}  # fmt: skip
_QUERY_S = 120
_CLOSE, _FAR = timedelta(minutes=15), DAY
"""How long after a first attempt that went well the next one begins, usually and at most."""

_EVER = Window(datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, kw_only=True)
class WasteQuery:
    """Which calls, by what; None: no limit."""

    by: WasteGrouping = "cause"
    since: datetime | None = None
    until: datetime | None = None
    tenant: str | None = None
    model: str | None = None


@dataclass(frozen=True, kw_only=True)
class WasteRow:
    """One group, in US dollars; `key` is None in the total.

    What followed splits the cost: another attempt at the same provider, at another one, or none. What is estimated is
    a part of `cost_usd`, which lacks the unpriced calls.
    """

    key: str | None
    calls: int
    cost_usd: Decimal
    estimated_cost_usd: Decimal
    unpriced_calls: int
    retried_cost_usd: Decimal
    fallback_cost_usd: Decimal
    given_up_cost_usd: Decimal


_FIGURES = tuple(column.name for column in fields(WasteRow) if column.name != "key")


async def read_waste(pool: Pool, query: WasteQuery) -> tuple[list[WasteRow], WasteRow]:
    """The groups, dearest first, and the total."""
    groups, total = await _read(pool, query, [_COLUMN[query.by]])
    return [_row(group, group["key"][0]) for group in groups], _row(total, None)


async def read_waste_of_tenants(pool: Pool, query: WasteQuery) -> list[tuple[str, WasteRow]]:
    """Each tenant's causes, all at once, dearest first; `by` of the query does not matter."""
    groups, _ = await _read(pool, query, ["tenant_id", "cause"])
    return [(group["key"][0], _row(group, group["key"][1])) for group in groups]


async def _read(pool: Pool, query: WasteQuery, keys: Sequence[str]) -> tuple[list[Record], Record]:
    """In one snapshot.

    An index knows every attempt that is wasted but those that went well and were followed by another one; these are
    looked for when the index does not know the first attempt of a request.
    """
    period = Window(query.since or _EVER.start, query.until or _EVER.end)
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        held = frozenset(row["bucket"] for row in await connection.fetch(_SQL["held_days"], period.start, period.end))
        parts = segments(period, Rolled(frozenset(), held, {}), step_of("none", "UTC", timedelta()))
        total, *groups = await _wasted(connection, query, keys, parts.days, parts.rest, ())
        if total["requests"] is not None:
            following = list(zip(total["tenants"], total["requests"], total["times"], strict=True))
            if answers := await _went_well(connection, following, _read_for(parts.rest)):
                total, *groups = await _wasted(connection, query, keys, parts.days, parts.rest, answers)
    return groups, total


async def fill_day(connection: Connection, day: datetime) -> None:
    """Makes the sums of a day anew, from its facts and those of the day after."""
    windows = [Window(day, day + DAY)]
    arguments = Arguments()
    telling = _telling(windows, "true", arguments, ())
    statement = _SQL["following"].format(telling=telling, **_PARTS)
    following = [tuple(row) for row in await connection.fetch(statement, *arguments.values, timeout=_QUERY_S)]
    answers = await _went_well(connection, following, _read_for(windows))
    arguments = Arguments()
    statement = _SQL["fill_day"].format(
        telling=_telling(windows, "true", arguments, answers),
        judged_in=within("started_at", windows[0], arguments),
        day=arguments.add(day, "timestamptz"),
        **_PARTS,
    )
    await connection.execute(_SQL["clear_day"], day)
    await connection.execute(statement, *arguments.values, timeout=_QUERY_S)


async def _wasted(
    connection: Connection,
    query: WasteQuery,
    keys: Sequence[str],
    days: Sequence[datetime],
    windows: Sequence[Window],
    answers: Sequence[Record],
) -> list[Record]:
    """`days` from their sums, `windows` from the facts."""
    arguments = Arguments()
    tenant = "true" if query.tenant is None else f"tenant_id = {arguments.add(query.tenant, 'text')}"
    model = "true" if query.model is None else f"model = {arguments.add(query.model, 'text')}"
    statement = _SQL["wasted"].format(
        telling=_telling(windows, tenant, arguments, answers),
        judged_in=" OR ".join(within("started_at", each, arguments) for each in windows) or "false",
        chosen=f"{tenant} AND {model}",
        days=at("bucket", days, arguments),
        keys=", ".join(keys),
        **_PARTS,
    )
    found: list[Record] = await connection.fetch(statement, *arguments.values, timeout=_QUERY_S)
    return found


def _telling(windows: Sequence[Window], tenant: str, arguments: Arguments, answers: Sequence[Record]) -> str:
    """Of the windows and what followed within a day."""
    sources = [
        _SQL["telling"].format(where=f"{inside} AND {tenant}")
        for inside in ranges("started_at", _read_for(windows), arguments)
    ]
    ids, times = [answer["call_id"] for answer in answers], [answer["started_at"] for answer in answers]
    known = _SQL["known"].format(ids=arguments.add(ids, "uuid[]"), times=arguments.add(times, "timestamptz[]"))
    return "\nUNION ALL\n".join([*sources, known])


def _read_for(windows: Iterable[Window]) -> list[Window]:
    """The windows and a day after each, put together where they meet."""
    found: list[Window] = []
    for window in windows:
        start, end = window.start, window.end + DAY
        if found and found[-1].end >= start:
            start = found.pop().start
        found.append(Window(start, end))
    return found


async def _went_well(
    connection: Connection, following: Sequence[tuple[str, object, datetime]], windows: Sequence[Window]
) -> list[Record]:
    """First attempts that the index does not know: close to the ones that it does, where nearly all are, else far."""
    found: list[Record] = []
    for most, least in ((_CLOSE, -_CLOSE), (_FAR, _CLOSE)):
        known = {answer["request_id"] for answer in found}
        left = [
            (tenant, request, moment, next(window.start for window in windows if moment < window.end))
            for tenant, request, moment in following
            if request not in known
        ]
        if left:
            columns = [list(column) for column in zip(*left, strict=True)]
            found += await connection.fetch(_SQL["went_well"], *columns, most, least, timeout=_QUERY_S)
    return found


def _row(record: Record, key: str | None) -> WasteRow:
    return WasteRow(key=key, **{name: record[name] for name in _FIGURES})
