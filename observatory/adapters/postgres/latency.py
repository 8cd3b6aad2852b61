"""Where the time of calls went: waiting, policy, to the first token, streaming. From the facts: they alone know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from observatory.adapters.postgres.calls import chosen
from observatory.adapters.postgres.pool import Connection
from observatory.adapters.postgres.queries import load_queries
from observatory.rules.periods import Window
from observatory.rules.sketch import percentiles

_SQL = load_queries("observatory.adapters.postgres", "latency.sql")
_PERCENTS = (50, 95, 99)

PARTS = ("waiting", "policy", "first_token", "streaming", "unsplit")
"""As a call goes through them; `unsplit` is all the time at the provider of calls that tell of no first token."""


@dataclass(frozen=True, kw_only=True)
class PartsQuery:
    """Which calls, by which dimension (None: all together); `only` is by dimension or `tag:<key>`."""

    period: Window
    group_by: str | None = None
    only: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    """Part of the time of a group's calls, in ms: of how many calls, in all, and what 50, 95, 99 % do not exceed."""

    calls: int
    total_ms: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


Parts = Mapping[str, Part]
"""By names of `PARTS`; those that no call states are not there."""


async def read_parts(connection: Connection, query: PartsQuery) -> list[tuple[str | None, Parts]]:
    """Each group with its parts, the one with the most time first."""
    arguments: list[object] = [query.period.start, query.period.end]
    column, where = chosen(query.group_by, query.only, arguments)
    rows = await connection.fetch(_SQL["parts"].format(keys=column, where=where), *arguments)
    groups: dict[str | None, dict[str, Part]] = {}
    for row in rows:
        name = row["names"][0] if row["names"] else None
        part = Part(row["calls"], row["total_ms"], *percentiles(row["hist"], _PERCENTS))
        groups.setdefault(name, {})[PARTS[row["part"]]] = part
    return sorted(groups.items(), key=lambda each: -sum(part.total_ms for part in each[1].values()))
