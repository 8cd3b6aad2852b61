"""Answers about calls from what the ledger keeps of them: days and hours where their sums hold, else minutes or facts.

Whatever is read, the answer is the same: sums of money are exact, percentiles come from merged histograms and are at
most 1.09 % off. Sums and the watermark are of one snapshot.
"""

import dataclasses
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, get_args

from asyncpg import Record

from observatory.adapters.postgres.pool import Connection, Pool
from observatory.adapters.postgres.queries import load_queries
from observatory.adapters.postgres.statements import Arguments, at, ranges
from observatory.rules.periods import Granularity, Window
from observatory.rules.segments import DAY, Rolled, Segments, segments, segments_by, step_of
from observatory.rules.sketch import percentiles

_SQL = load_queries("observatory.adapters.postgres", "analytics.sql")
_WATERMARK = load_queries("observatory.adapters.postgres", "costs.sql")["watermark"]

Dimension = Literal[
    "tenant", "provider", "model", "operation", "user", "api_key", "conversation", "status", "source", "experiment",
    "variant", "prompt_version",
]  # fmt: skip
Order = Literal["cost", "calls", "tokens", "errors", "p95", "change"]

TAG = "tag:"
"""Before the key of a tag that calls are grouped or chosen by."""

DIMENSIONS: tuple[str, ...] = get_args(Dimension)

_IN_ROLLUPS = {"tenant": "tenant_id", "provider": "provider", "model": "model", "operation": "operation"}
_IN_FACTS = {
    **_IN_ROLLUPS, "user": "user_id", "api_key": "api_key_id", "conversation": "conversation_id", "status": "status",
    "source": "source", "experiment": "experiment_id", "variant": "variant_id", "prompt_version": "prompt_version",
}  # fmt: skip
_TOTALS: Mapping[str, Set[str]] = {
    "all": frozenset(), "tenants": frozenset({"tenant"}), "models": frozenset({"provider", "model", "operation"}),
}  # fmt: skip
"""What the totals of hours and days are by, kind by kind, those of the fewest rows first."""

_BY_DAY = frozenset({"user", "api_key", "status", "source", "experiment", "variant", "prompt_version"})
_VALUES = {
    "cost": "cost_usd", "calls": "calls", "errors": "errors", "tokens": _SQL["tokens"],
    "p95": "ledger.hist_quantile(latency_hist, 0.95)",
}  # fmt: skip
_IN_PERIOD = "coalesce(max(({value})::numeric) FILTER (WHERE era = {era}), 0)"
_ROLLUPS = ["rollup_1h", "rollup_1d", "rollup_1h_totals", "rollup_1d_totals"]
_ROLLUPS_BY = ["rollup_1h_by", "rollup_1d_by"]
_USERS = ["rollup_1d_users", "rollup_1w_users"]
_OF_USERS = {"tenant": "tenant_id", "user": "value"}
WAIT_S = 10
"""How long a question waits for others before it. It is refused then, as when the database is away."""

NO_SHIFT = timedelta()
SESSION = {"plan_cache_mode": "force_custom_plan", "jit": "off", "work_mem": "32MB"}
"""For connections that ask such questions: what is looked for changes with every one, and what is found is put in order
in memory."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """Which calls, by what. `group_by` and the names in `only` are dimensions, or `tag:<key>`.

    `top`: so many groups, the rest summed. `durations`: percentiles too. `compare`: the period of the same length
    before it too, its times moved into this one. `after` is the `position` of a row: the page after it.
    """

    period: Window
    granularity: Granularity = "none"
    zone: str = "UTC"
    group_by: Sequence[str] = ()
    only: Mapping[str, Sequence[str]] = field(default_factory=dict)
    order: Order = "cost"
    top: int | None = None
    durations: bool = False
    compare: bool = False
    limit: int | None = None
    after: "Position | None" = None

    @property
    def needs_durations(self) -> bool:
        """Whether histograms are merged."""
        return self.durations or self.order == "p95"


Position = tuple[datetime | None, bool, Decimal, list[str | None]]
"""Where a row stands: its step, whether it is the rest, the value it is ordered by, its names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What calls add up to. Percentiles in ms, None without such calls; `members`: how many groups are in the row."""

    members: int
    calls: int
    errors: int
    unpriced_calls: int
    estimated_calls: int
    not_sent_calls: int
    uncached_input_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int
    input_audio_tokens: int
    output_audio_tokens: int
    input_image_tokens: int
    cost_usd: Decimal
    estimated_cost_usd: Decimal
    latency_p50_ms: float | None
    latency_p90_ms: float | None
    latency_p95_ms: float | None
    latency_p99_ms: float | None
    ttft_p50_ms: float | None
    ttft_p90_ms: float | None
    ttft_p95_ms: float | None
    ttft_p99_ms: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """One group in one step: its names in the order of `group_by` (none of the rest), now and in the period before."""

    at: datetime | None
    names: Sequence[str | None]
    other: bool
    now: Sums | None
    before: Sums | None
    position: Position


@asynccontextmanager
async def snapshot(pool: Pool) -> AsyncIterator[Connection]:
    """A connection that sees one moment: what is read after the watermark goes with it."""
    async with (
        pool.acquire(timeout=WAIT_S) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        yield connection


async def watermark(connection: Connection, topic: str) -> datetime | None:
    """Up to when everything appended to `llm.calls` is in the ledger; None before every partition was read."""
    moment: datetime | None = await connection.fetchval(_WATERMARK, topic)
    return moment


async def ask(connection: Connection, question: Question) -> AsyncIterator[Row]:
    """The rows in order, as they come; within a `snapshot`. Raises what asyncpg raises."""
    statement, arguments = await _statement(connection, question)
    pending: list[Record] = []
    async for record in connection.cursor(statement, *arguments, prefetch=1000):
        if pending and _place(pending[0]) != _place(record):
            yield _row(pending)
            pending = []
        pending.append(record)
    if pending:
        yield _row(pending)


async def ask_histograms(
    connection: Connection, question: Question
) -> list[tuple[datetime | None, Sequence[int], Sequence[int]]]:
    """Of each step the packed histograms of latency and of the time to the first token; within a `snapshot`.

    Of a question without groups, but with `durations`.
    """
    statement, arguments = await _statement(connection, question)
    return [
        (record["at"], record["latency_hist"] or (), record["ttft_hist"] or ())
        for record in await connection.fetch(statement, *arguments)
    ]


async def _statement(connection: Connection, question: Question) -> tuple[str, list[object]]:
    arguments = Arguments()
    asked = set(question.group_by) | set(question.only)
    eras = [(0, question.period, NO_SHIFT)]
    if question.compare:
        eras.append((1, question.period.before, question.period.length))
    cells: list[str] = []
    durations: list[str] = []
    by_row = _by_row(question, asked)
    rollups = asked <= _IN_ROLLUPS.keys()
    tables = _ROLLUPS if rollups else [*_ROLLUPS_BY, *(_USERS if _of_users(question, asked) else [])]
    for era, period, shift in eras:
        held = await _held(connection, period, tables, rollups=rollups, within_days=_within_days(question, shift))
        step = step_of(question.granularity, question.zone, shift)
        writing = _Cells(question, arguments, era, shift)
        if rollups:
            parts = _of_rollups(segments(period, held.sums, step), held, _totals_of(asked), arguments)
        else:
            by = _one_more(asked)
            sums = held.sums if by is not None else Rolled(frozenset(), frozenset(), {})
            parts = _of_facts(segments_by(period, sums, step), held, arguments, by)
        for part in parts:
            placeholders = writing.placeholders(part)
            cells.append(_SQL["cells"].format(**placeholders))
            if question.needs_durations:
                durations.append(_durations(part, placeholders, by_row=by_row))
    return _put_together(question, arguments, cells, durations, by_row=by_row), arguments.values


def _by_row(question: Question, asked: set[str]) -> bool:
    """Whether histograms are put one after the other: a step has few rows of sums, which need not be taken apart."""
    of_steps = question.granularity in ("minute", "hour", "day") and question.top is None
    days = question.granularity == "day"
    return of_steps and asked <= _IN_ROLLUPS.keys() and not (days and _within_days(question, NO_SHIFT))


def _durations(part: "_Part", placeholders: Mapping[str, str], *, by_row: bool) -> str:
    if by_row and part.table != "rollup_1m":
        return _SQL["whole_durations"].format(**placeholders)
    elements = _SQL[part.durations].format(**placeholders)
    if not by_row:
        return elements
    return _SQL["merged_durations"].format(**placeholders, packed=_SQL["packed"], durations=elements)


@dataclass(frozen=True, slots=True)
class _Held:
    """Up to when each table holds, by bucket."""

    tables: Mapping[str, Mapping[datetime, datetime]]

    @property
    def sums(self) -> Rolled:
        """Which parts of a period are summed at all."""
        tables = self.tables
        names = ("rollup_1h", "rollup_1d", "rollup_1h_by", "rollup_1w_users")
        hours, days, hours_by, weeks = (tables[name].keys() for name in names)
        return Rolled(hours, days, tables["rollup_1d_by"], hours_by, weeks)

    def of_users(self, day: datetime) -> bool:
        """Whether a day is summed over all that users call as far as it is summed at all."""
        return self.tables["rollup_1d_users"].get(day) == self.tables["rollup_1d_by"][day]


async def _held(
    connection: Connection, period: Window, names: Sequence[str], *, rollups: bool, within_days: bool
) -> _Held:
    days = "rollup_1d" if rollups else "rollup_1d_by"
    tables: dict[str, dict[datetime, datetime]] = defaultdict(dict)
    for sums, bucket, until in await connection.fetch(
        _SQL["rolled"], period.start, period.end, names, within_days, days
    ):
        tables[sums][bucket] = until
    return _Held(tables)


def _within_days(question: Question, shift: timedelta) -> bool:
    """Whether a step of the answer may begin within a day in UTC."""
    if question.granularity in ("day", "month"):
        return question.zone != "UTC" or bool(shift % DAY)
    return question.granularity != "none"


def _totals_of(asked: set[str]) -> str | None:
    """The kind of totals that know all that is asked for; None: only the sums by everything do."""
    return next((kind for kind, known in _TOTALS.items() if asked <= known), None)


def _of_users(question: Question, asked: set[str]) -> bool:
    """Whether it is about users and nothing that they call, and not about durations."""
    return "user" in asked <= _OF_USERS.keys() and not question.needs_durations


def _one_more(asked: set[str]) -> str | None:
    """The one dimension that days are summed by, if there is no other that the rollups do not know."""
    more = asked - _IN_ROLLUPS.keys()
    return next(iter(more)) if len(more) == 1 and more <= _BY_DAY else None


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows of one table: the column of its time, what names the rows, how dimensions are called there."""

    table: str
    time: str
    where: str
    columns: Mapping[str, str]
    durations: str = "durations"


def _of_rollups(parts: Segments, held: _Held, kind: str | None, arguments: Arguments) -> Iterator[_Part]:
    """Totals where they answer the question and hold."""
    for table, starts in (("rollup_1d", parts.days), ("rollup_1h", parts.hours)):
        totals = held.tables[f"{table}_totals"] if kind is not None else {}
        if known := [start for start in starts if start in totals]:
            yield _Part(
                f"{table}_totals", "bucket", f"{at('c.bucket', known, arguments)} AND c.kind = '{kind}'", _IN_ROLLUPS
            )
        if others := [start for start in starts if start not in totals]:
            yield _Part(table, "bucket", at("c.bucket", others, arguments), _IN_ROLLUPS)
    for where in ranges("c.bucket", parts.rest, arguments):
        yield _Part("rollup_1m", "bucket", where, _IN_ROLLUPS)


def _of_facts(parts: Segments, held: _Held, arguments: Arguments, by: str | None) -> Iterator[_Part]:
    """Weeks and days of users where they answer the question and hold."""
    users = [day for day in parts.days if held.of_users(day)]
    for table, starts in (("rollup_1w_users", parts.weeks), ("rollup_1d_users", users)):
        if starts:
            yield _Part(table, "bucket", at("c.bucket", starts, arguments), _OF_USERS)
    others = [day for day in parts.days if day not in users]
    for table, starts in (("rollup_1d_by", others), ("rollup_1h_by", parts.hours)):
        if starts and by is not None:
            where = f"{at('c.bucket', starts, arguments)} AND c.dimension = '{by}'"
            yield _Part(table, "bucket", where, {**_IN_ROLLUPS, by: "value"})
    for where in ranges("c.started_at", parts.rest, arguments):
        yield _Part("counted_calls", "started_at", where, _IN_FACTS, "fact_durations")


class _Cells:
    """What the parts of one era are in SQL."""

    def __init__(self, question: Question, arguments: Arguments, era: int, shift: timedelta) -> None:
        self._question, self._arguments, self._era, self._shift = question, arguments, era, shift

    def placeholders(self, part: _Part) -> Mapping[str, str]:
        columns = [self._column(part, name) for name in self._question.group_by]
        wanted = [
            f"{self._column(part, name)} = ANY ({self._arguments.add(list(values), 'text[]')})"
            for name, values in self._question.only.items()
        ]
        return {
            "era": str(self._era),
            "at": self._at(part),
            "keys": "".join(f", {column} AS k{number}" for number, column in enumerate(columns)),
            "names": "".join(f", k{number}" for number in range(len(columns))),
            "table": part.table,
            "where": " AND ".join([part.where, *wanted]),
        }

    def _column(self, part: _Part, name: str) -> str:
        if name.startswith(TAG):
            return f"(c.tags ->> {self._arguments.add(name.removeprefix(TAG), 'text')})"
        return f"c.{part.columns[name]}"

    def _at(self, part: _Part) -> str:
        question, arguments = self._question, self._arguments
        if question.granularity == "none":
            return "'-infinity'::timestamptz"
        moment = f"c.{part.time}"
        if self._shift:
            moment = f"{moment} + {arguments.add(self._shift, 'interval')}"
        return f"date_trunc('{question.granularity}', {moment}, {arguments.add(question.zone, 'text')})"


def _put_together(
    question: Question, arguments: Arguments, cells: Sequence[str], durations: Sequence[str], *, by_row: bool
) -> str:
    names = ", ".join(f"k{number}" for number in range(len(question.group_by)))
    empty = "".join(f", NULL::text AS k{number}" for number in range(len(question.group_by)))
    ranking, worth = _order(question.order, names)
    parts = {
        "names": names,
        "keys": f", {names}" if names else "",
        "summing": _SQL["summing"],
        "columns": _SQL["columns"],
        "packed": _SQL["packed"],
    }
    if by_row and durations:
        hists = _SQL["hists_of_rows"].format(**parts, durations="\nUNION ALL\n".join(durations))
        durations = []
    else:
        hists = _SQL["hists_of_elements"].format(**parts)
    if question.top is None:
        groups = _SQL["every_group"].format(**parts, hists=hists)
    else:
        groups = _SQL["top_groups"].format(**parts, ranking=ranking, top=arguments.add(question.top, "bigint"))
    return _SQL["question"].format(
        **parts,
        groups=groups,
        cells="\nUNION ALL\n".join(cells or [_SQL["nothing"].format(keys=empty)]),
        durations="\nUNION ALL\n".join(durations or [_SQL["no_durations"].format(keys=empty)]),
        worth=worth,
        after="true" if question.after is None else _after(question.after, arguments),
        limit="ALL" if question.limit is None else arguments.add(question.limit, "bigint"),
    )


def _order(order: Order, names: str) -> tuple[str, str]:
    """How groups are ranked, and what rows are ordered by within a step; both the greatest first."""
    if order == "change":
        now, before = (_IN_PERIOD.format(value="cost_usd", era=era) for era in (0, 1))
        return _SQL["rank_by_change"], f"abs({now} - {before})"
    worth = _IN_PERIOD.format(value=_VALUES[order], era=0)
    if order == "p95":
        return _SQL["rank_by_p95"].format(names=names, by=names or "()"), worth
    return _SQL["rank_by_sum"].format(value=_VALUES[order]), worth


def _after(position: Position, arguments: Arguments) -> str:
    at, other, minus, names = position
    place = [
        f"coalesce({arguments.add(at, 'timestamptz')}, '-infinity')",
        arguments.add(other, "boolean"),
        arguments.add(minus, "numeric"),
        arguments.add(names, "text[]"),
    ]
    return f"(at, other, minus, names) > ({', '.join(place)})"


def _place(record: Record) -> Position:
    return record["at"], record["other"], record["minus"], record["names"]


_DURATIONS = ("latency", "ttft")
_PERCENTS = (50, 90, 95, 99)
_FIGURES = tuple(part.name for part in dataclasses.fields(Sums) if not part.name.startswith(_DURATIONS))


def _row(records: Sequence[Record]) -> Row:
    eras = {record["era"]: _sums(record) for record in records}
    at, other, minus, names = _place(records[0])
    return Row(at, names, other, eras.get(0), eras.get(1), (at, other, minus, names))


def _sums(record: Record) -> Sums:
    durations: dict[str, Any] = {
        f"{name}_p{percent}_ms": value
        for name in _DURATIONS
        for percent, value in zip(_PERCENTS, percentiles(record[f"{name}_hist"] or (), _PERCENTS), strict=True)
    }
    return Sums(**{name: record[name] for name in _FIGURES}, **durations)
