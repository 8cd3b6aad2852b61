"""`observatory replay`: facts and rollups are what the topic says, proved by making them again."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

import asyncpg
from aiokafka import TopicPartition
from cyclopts import Parameter

from observatory.adapters.following import partitions_of
from observatory.adapters.kafka import new_consumer, topic_name
from observatory.adapters.postgres.compare import REPLAYED, Comparison, TablesDiffer, begin_snapshot, compare
from observatory.adapters.postgres.ledger import SinkOffsets, StoredOffset
from observatory.adapters.postgres.migrations import MigrationError
from observatory.adapters.postgres.pool import Connection, open_pool
from observatory.adapters.postgres.scratch import ScratchError, scratch_database
from observatory.adapters.settings import Settings
from observatory.cli.migrate import MIGRATIONS
from observatory.cli.options import Json
from observatory.cli.output import add_row, print_json, stdout, table
from observatory.cli.outside import database_problems, kafka_problems, settings
from observatory.cli.problems import FAILED, Problem, wrong_usage
from observatory.cli.progress import progress
from schemas.topics import LLM_CALLS
from streams.ledger.__main__ import SINK
from streams.ledger.decode import EARLY_S
from streams.ledger.rebuild import NotReplayable, Rebuild, Rebuilt

_FETCH_BYTES = 65_536
_WITHOUT_ZONE = {"timezone": "UTC"}


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What was rebuilt and how it compares.

    `since`: from when on topic and facts both hold everything; `not_applied`: records that the ledger had not read yet.
    """

    since: datetime
    rebuilt: Rebuilt
    not_applied: int
    tables: list[Comparison]

    @property
    def ok(self) -> bool:
        """All rows are the same."""
        return not any(compared.differences for compared in self.tables)


async def replay(
    *,
    verify: Annotated[bool, Parameter(help="Compare what comes of it with the ledger, row by row.")] = False,
    show: Annotated[int, Parameter(help="How many differences of each table are listed; all are counted.")] = 20,
    json: Json = False,
) -> int:
    """Rebuild facts and rollups from the topic in a scratch database, and prove that the ledger's are the same.

    Read is what the topic llm.calls holds, up to where the ledger stood; the ledger itself, its consumer group and the
    dead letters are left alone. Compared is the period that topic and facts both hold, every column but where and when
    a record was booked. The scratch database is made beside the real one and dropped at the end; that the role may
    make one (CREATEDB) is needed. The exit code is 0 when all rows are the same, else 1.

    Some uses:

    `observatory replay --verify`

    `observatory replay --verify --show 100 --json`
    """
    if not verify:
        raise wrong_usage("a replay is made to be compared: say --verify")
    found = await run_replay(settings(), show=show)
    if json:
        print_json(as_json(found), indent=True)
    else:
        _print(found)
    return 0 if found.ok else FAILED


async def run_replay(config: Settings, *, show: int) -> Replay:
    """Rebuilds and compares. Raises `Problem`.

    1. Facts, rollups and how far the ledger has read are seen in one snapshot, which stays open to the end.
    2. The topic is read up to there into a scratch database.
    3. Both are compared over the period that both hold.
    """
    try:
        with database_problems(config.database_url), kafka_problems(config.kafka):
            async with _snapshot(config.database_url) as live, scratch_database(config.database_url, MIGRATIONS) as url:
                rebuilt, not_applied = await _rebuild(config, live, url)
                since = _since(rebuilt, config.facts_retention_days, datetime.now(UTC))
                async with _snapshot(url) as scratch:
                    tables = [await _compared(number, live, scratch, since, show) for number in range(len(REPLAYED))]
                return Replay(since=since, rebuilt=rebuilt, not_applied=not_applied, tables=tables)
    except (ScratchError, NotReplayable, TablesDiffer) as error:
        raise Problem(str(error)) from error
    except MigrationError as error:
        raise Problem(f"the scratch database: migration {error}") from error


@asynccontextmanager
async def _snapshot(url: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(url, timeout=10, server_settings=_WITHOUT_ZONE)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await begin_snapshot(connection)
            yield connection
    finally:
        await connection.close()


async def _rebuild(config: Settings, live: Connection, url: str) -> tuple[Rebuilt, int]:
    """Reads the topic into the scratch database; also how many records the ledger has still to read."""
    topic = topic_name(config.kafka, LLM_CALLS)
    stored = await SinkOffsets(SINK, topic, SINK).read(live)
    if not stored:
        raise Problem("the ledger has not read anything yet: there is nothing to compare")
    consumer = new_consumer(config.kafka, "observatory-replay", fetch_min_bytes=_FETCH_BYTES, fetch_max_wait_ms=100)
    pool = await open_pool(url, size=2, application="observatory-replay")
    try:
        await consumer.start()
        ends = await consumer.end_offsets(await partitions_of(consumer, topic))
        upto = _places(topic, stored, ends)
        consumer.assign(list(upto))
        rebuild = Rebuild(consumer, pool, upto, config.facts_retention_days)
        with progress("reading the topic", await rebuild.to_read()) as advance:
            rebuilt = await rebuild.run(advance)
        applied = sum(place.next_offset for place in upto.values())
        return rebuilt, max(0, sum(ends.values()) - applied)
    finally:
        await consumer.stop()
        await pool.close()


def _places(
    topic: str, stored: Mapping[int, StoredOffset], ends: Mapping[TopicPartition, int]
) -> dict[TopicPartition, StoredOffset]:
    places = {TopicPartition(topic, part): offset for part, offset in stored.items()}
    missing = sorted(tp.partition for tp in places.keys() - ends.keys())
    if missing:
        raise Problem(f"the ledger has read partitions of {topic} that are not there any more: {missing}")
    return places


def _since(rebuilt: Rebuilt, facts_days: int, now: datetime) -> datetime:
    """From when on both sides hold everything, a whole minute.

    Of a call that began a day after the append time of the oldest record, no revision can be older than that record.
    """
    held = now - timedelta(days=facts_days - 1)
    if rebuilt.complete_from is not None:
        held = max(held, rebuilt.complete_from + timedelta(seconds=EARLY_S))
    whole = held.replace(second=0, microsecond=0)
    return whole if whole == held else whole + timedelta(minutes=1)


async def _compared(number: int, live: Connection, scratch: Connection, since: datetime, show: int) -> Comparison:
    compared = REPLAYED[number]
    with progress(f"comparing ledger.{compared.name}", None) as advance:
        return await compare(compared, live, scratch, since=since, shown=show, on_progress=advance)


def as_json(found: Replay) -> dict[str, object]:
    """The comparison as one JSON object; of two values the ledger's comes first."""
    return {
        "ok": found.ok,
        "since": found.since,
        "complete_topic": found.rebuilt.complete_from is None,
        "records": found.rebuilt.records,
        "dead_letters": found.rebuilt.dead_letters,
        "not_applied": found.not_applied,
        "tables": {
            compared.table: {
                "rows": compared.rows[0],
                "replayed_rows": compared.rows[1],
                "differences": {"total": sum(compared.differences.values()), "by_kind": compared.differences},
                "shown": [asdict(difference) for difference in compared.shown],
            }
            for compared in found.tables
        },
    }


def _print(found: Replay) -> None:
    out = stdout()
    rebuilt = found.rebuilt
    out.print(f"{rebuilt.records:,} records read again, {rebuilt.dead_letters:,} of them dead letters")
    out.print(f"compared from {found.since:%Y-%m-%d %H:%M} UTC on: " + _period(found))
    rows = table(["table", "rows", "replayed", "missing", "extra", "different"])
    for compared in found.tables:
        counts = (compared.differences.get(kind, 0) for kind in ("missing", "extra", "differs"))
        add_row(rows, compared.table, *compared.rows, *counts)
    out.print(rows)
    for compared in found.tables:
        for difference in compared.shown:
            name = " ".join(f"{key}={value}" for key, value in difference.name.items())
            values = " ".join(f"{key}: {ours} / {theirs}" for key, (ours, theirs) in difference.columns.items())
            out.print(f"{compared.table} {difference.kind}: {name} {values}", markup=False)
    if found.ok:
        out.print("[green]ok[/green]: the ledger is what the topic says, row by row")
    else:
        out.print("[red]not ok[/red]: the ledger is not what the topic says (its value first)")


def _period(found: Replay) -> str:
    held = "all that was ever appended" if found.rebuilt.complete_from is None else "what the topic still holds in full"
    behind = f"; {found.not_applied:,} records are not in the ledger yet" if found.not_applied else ""
    return held + behind
