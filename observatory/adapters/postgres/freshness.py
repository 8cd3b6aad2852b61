"""How far each sink has read each partition of its topics: up to when what it shows is complete."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from observatory.adapters.postgres.pool import Connection
from observatory.adapters.postgres.queries import load_queries

_SQL = load_queries("observatory.adapters.postgres", "freshness.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """Everything that was appended to the partition before `complete_until` is applied; None: that is not known yet."""

    sink: str
    topic: str
    partition: int
    next_offset: int
    complete_until: datetime | None


async def read_freshness(connection: Connection) -> tuple[datetime, list[Reached]]:
    """The database's time, and how far every sink is."""
    now: datetime = await connection.fetchval(_SQL["now"])
    return now, [Reached(**dict(row.items())) for row in await connection.fetch(_SQL["partitions"])]


def by_sink(reached: Iterable[Reached]) -> Mapping[tuple[str, str], datetime | None]:
    """Up to when each sink is complete in all partitions of a topic; None while one of them is not known."""
    moments: dict[tuple[str, str], list[datetime | None]] = {}
    for each in reached:
        moments.setdefault((each.sink, each.topic), []).append(each.complete_until)
    return {name: least(some) for name, some in moments.items()}


def least(moments: Iterable[datetime | None]) -> datetime | None:
    """The earliest; None when one is not known, or there are none."""
    known = list(moments)
    return None if None in known or not known else min(moment for moment in known if moment is not None)
