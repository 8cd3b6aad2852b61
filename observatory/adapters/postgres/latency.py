"""Where the time of calls went: waiting, policy, to the first token, streaming.

From the sums of hours and days where they hold and know all that is asked for, else from the facts.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from observatory.adapters.postgres.calls import chosen
from observatory.adapters.postgres.pool import Connection
from observatory.adapters.postgres.queries import load_queries
from observatory.adapters.postgres.statements import Arguments, at, ranges
from observatory.rules.periods import Window
from observatory.rules.segments import Rolled, Segments, segments, step_of
from observatory.rules.sketch import percentiles

_SQL = load_queries("observatory.adapters.postgres", "latency.sql")
_ROLLED = load_queries("observatory.adapters.postgres", "analytics.sql")["rolled"]
_PERCENTS = (50, 95, 99)
_HOURS, _DAYS = "rollup_1h_parts", "rollup_1d_parts"
_IN_SUMS = {
    "tenant": "tenant_id", "provider": "provider", "model": "model", "operation": "operation", "status": "status",
}  # fmt: skip
_KINDS: Mapping[str, Set[str]] = {
    "all": frozenset(), "statuses": frozenset({"status"}), "tenants": frozenset({"tenant"}),
    "models": frozenset({"provider", "model", "operation"}), "cells": frozenset(_IN_SUMS),
}  # fmt: skip
"""What the sums are by, kind by kind, those of the fewest rows first."""

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
    """Each group with its parts, the one with the most time first; within a `snapshot`."""
    kind = _kind_of(query)
    held = _NOTHING if kind is None else await _held(connection, query.period)
    parts = segments(query.period, held, step_of("none", "UTC", timedelta()))
    arguments = Arguments()
    sources = [*_of_sums(query, kind, parts, arguments), *_of_facts(query, parts.rest, arguments)]
    statement = _SQL["parts"].format(sources="\nUNION ALL\n".join(sources or [_SQL["none"]]))
    groups: dict[str | None, dict[str, Part]] = {}
    for row in await connection.fetch(statement, *arguments.values):
        part = Part(row["calls"], row["total_ms"], *percentiles(row["hist"], _PERCENTS))
        groups.setdefault(row["name"], {})[PARTS[row["part"]]] = part
    return sorted(groups.items(), key=lambda each: -sum(part.total_ms for part in each[1].values()))


_NOTHING = Rolled(frozenset(), frozenset(), {})


def _kind_of(query: PartsQuery) -> str | None:
    """The kind of sums that know all that is asked for; None: the facts alone do."""
    asked = set(query.only) | ({query.group_by} if query.group_by else set())
    return next((kind for kind, known in _KINDS.items() if asked <= known), None)


async def _held(connection: Connection, period: Window) -> Rolled:
    found: dict[str, set[datetime]] = defaultdict(set)
    rows = await connection.fetch(_ROLLED, period.start, period.end, [_HOURS, _DAYS], False, _DAYS)
    for sums, bucket, _ in rows:
        found[sums].add(bucket)
    return Rolled(found[_HOURS], found[_DAYS], {})


def _of_sums(query: PartsQuery, kind: str | None, parts: Segments, arguments: Arguments) -> Iterator[str]:
    for table, starts in ((_DAYS, parts.days), (_HOURS, parts.hours)):
        if starts:
            where = [at("bucket", starts, arguments), f"kind = '{kind}'"]
            where += [
                f"{_IN_SUMS[name]} = ANY ({arguments.add(list(values), 'text[]')})"
                for name, values in query.only.items()
            ]
            name = "NULL::text" if query.group_by is None else _IN_SUMS[query.group_by]
            yield _SQL["of_sums"].format(table=table, name=name, where=" AND ".join(where))


def _of_facts(query: PartsQuery, windows: Sequence[Window], arguments: Arguments) -> Iterator[str]:
    if not windows:
        return
    column, wanted = chosen(query.group_by, query.only, arguments.values)
    for within in ranges("started_at", windows, arguments):
        yield _SQL["of_facts"].format(name=column or "NULL::text", where=f"{within} AND {wanted}")
