"""Sums of whole hours, days and weeks, made when these are over: what a question about months reads instead of minutes.

`ledger.rolled` names the hours, days and weeks whose sums hold. Whoever changes a minute deletes their rows in the same
transaction (`add_to_rollups`), so a sum that holds is exact at any moment, whatever comes late, and one that does not
is read from the minutes or the facts until it is made again.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from observatory.adapters.postgres.pool import Connection, Pool
from observatory.adapters.postgres.queries import load_queries
from observatory.adapters.postgres.waste import fill_day
from observatory.rules.segments import DAY

_SQL = load_queries("observatory.adapters.postgres", "rolling.sql")

HOURS_A_TURN = 24
DAYS_A_TURN = 2
ENDED_S = 20.0
"""How long transactions that are under way are waited for; a longer one leaves the sums for the next turn."""

_MADE_ANEW = frozenset({"rollup_1d_users"})
"""Days that grow with their hours and are summed from the beginning each time: they are small."""

_WASTE = "waste_1d"

_POLL_S = 0.05
_QUERY_S = 300


@dataclass(frozen=True, slots=True)
class _Bucket:
    """An hour, a day or a week that is to be summed up to `until`."""

    start: datetime
    until: datetime

    def rows(self, sums: str) -> list[tuple[str, datetime, datetime]]:
        """The rows of `ledger.rolled` by which it holds. What was wasted in a day is known by the day after it too."""
        own = (sums, self.start, self.until)
        return [own, (f"{sums}_after", self.until, self.until + DAY)] if sums == _WASTE else [own]


class _Moved(Exception):
    """A minute of the bucket was changed while it was summed: the sum is undone and made again later."""


async def roll(pool: Pool, over: datetime) -> int:
    """Sums what was over at a whole hour and has no sums that hold; returns how many buckets, 0 when nothing is left.

    Nothing while another one does it. Raises what asyncpg raises; nothing half-done is ever seen.
    """
    async with pool.acquire() as connection:
        if not await connection.fetchval(_SQL["take_over"]):
            return 0
        try:
            await connection.execute(_SQL["forget"], timeout=_QUERY_S)
            done = await _roll_all(connection, "rollup_1h", "hours_to_roll", over, HOURS_A_TURN)
            done += await _roll_days(connection, "rollup_1h", "rollup_1d", over)
            done = done or await _roll_totals(connection, over)
            done += await _roll_hours_of_facts(connection, "rollup_1h_by", over)
            done += await _roll_all(connection, "rollup_1d_by", "days_by_to_roll", over, DAYS_A_TURN)
            done += await _roll_all(connection, "rollup_1d_users", "users_to_roll", over, HOURS_A_TURN)
            done += await _roll_all(connection, "rollup_1w_users", "weeks_to_roll", over, HOURS_A_TURN)
            done += await _roll_hours_of_facts(connection, "rollup_1h_parts", over)
            done += await _roll_days(connection, "rollup_1h_parts", "rollup_1d_parts", over)
            return done + await _roll_all(connection, "waste_1d", "waste_to_roll", over, HOURS_A_TURN)
        finally:
            await connection.execute(_SQL["hand_over"])


async def _roll_hours_of_facts(connection: Connection, sums: str, over: datetime) -> int:
    return await _roll_all(connection, sums, "hours_by_to_roll", over, HOURS_A_TURN, sums)


async def _roll_days(connection: Connection, hours: str, days: str, over: datetime) -> int:
    return await _roll_all(connection, days, "days_to_roll", over, HOURS_A_TURN, hours, days)


async def _roll_totals(connection: Connection, over: datetime) -> int:
    """When all that they are made of is there."""
    return sum([
        await _roll_all(connection, f"{sums}_totals", "totals_to_roll", over, HOURS_A_TURN, sums, f"{sums}_totals")
        for sums in ("rollup_1h", "rollup_1d")
    ])  # fmt: skip


async def _roll_all(connection: Connection, sums: str, wanted: str, over: datetime, count: int, *arguments: str) -> int:
    """1. Announce the buckets: from then on whoever changes one of their minutes takes the announcement away.
    2. Wait until everybody who had begun before has ended: what they changed can be seen.
    3. Sum each bucket and settle it in one transaction; where the announcement is gone all of that is undone.
    """
    rows = await connection.fetch(_SQL[wanted], over, count, *arguments, timeout=_QUERY_S)
    buckets = [_Bucket(row["bucket"], row["until"]) for row in rows]
    if not buckets:
        return 0
    announced = [row for bucket in buckets for row in bucket.rows(sums)]
    await connection.execute(_SQL["begin"], *(list(column) for column in zip(*announced, strict=True)))
    if not await _others_have_ended(connection):
        return 0
    return sum([await _roll_one(connection, sums, bucket) for bucket in buckets])


async def _others_have_ended(connection: Connection) -> bool:
    running = await connection.fetchval(_SQL["now_running"])
    started = time.monotonic()
    while not await connection.fetchval(_SQL["have_ended"], running):
        if time.monotonic() - started > ENDED_S:
            return False
        await asyncio.sleep(_POLL_S)
    return True


async def _roll_one(connection: Connection, sums: str, bucket: _Bucket) -> bool:
    try:
        async with connection.transaction():
            rows = bucket.rows(sums)
            summed = [await connection.fetchval(_SQL["summed_until"], *row) for row in rows]
            if None in summed:
                raise _Moved
            await connection.execute("SET LOCAL work_mem = '64MB'")
            await _make(connection, sums, bucket, summed[0])
            for (name, start, end), until in zip(rows, summed, strict=True):
                if await connection.execute(_SQL["settle"], name, start, until, end) != "UPDATE 1":
                    raise _Moved
    except _Moved:
        return False
    return True


async def _make(connection: Connection, sums: str, bucket: _Bucket, until: datetime) -> None:
    """Adds what is beyond `until`, or all of it when that is the beginning."""
    if sums == _WASTE:
        await fill_day(connection, bucket.start)
        return
    if until == bucket.start or sums in _MADE_ANEW:
        await connection.execute(_SQL[f"clear_{sums}"], bucket.start)
    await _fill(connection, sums, bucket.start, until, bucket.until)


async def _fill(connection: Connection, sums: str, start: datetime, since: datetime, until: datetime) -> None:
    parts = {name: _SQL[name] for name in ("summing", "summing_hours", "summing_calls", "summing_users", "kinds")}
    totalled = sums.removesuffix("_totals")
    statement = _SQL["fill_totals" if totalled != sums else f"fill_{sums}"].format(sums=totalled, **parts)
    bounds: Sequence[datetime] = (start, since, until) if sums == "rollup_1d_by" else (start, until)
    await connection.execute(statement, *bounds, timeout=_QUERY_S)
