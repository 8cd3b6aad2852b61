"""The tables of the ledger: facts, rollups and sink offsets. SQL only; what is written when is decided by its callers.

A fact is named by `(call_id, started_at)`, which are the same in every revision of a call.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from observatory.adapters.postgres.copying import copy_lines, copy_rows, csv_lines
from observatory.adapters.postgres.pool import Connection, Database, Pool
from observatory.adapters.postgres.queries import load_queries

_SQL = load_queries("observatory.adapters.postgres", "ledger.sql")


class Fact(NamedTuple):
    """One row of `ledger.calls`; `tags` is JSON text."""

    call_id: UUID
    revision: int
    request_id: UUID
    attempt: int
    source: str
    tenant_id: str
    user_id: str | None
    conversation_id: str | None
    operation: str
    provider: str
    request_model: str
    response_model: str | None
    provider_response_id: str | None
    status: str
    error_type: str | None
    usage_source: str
    cost_state: str
    price_version: str | None
    started_at: datetime
    first_token_at: datetime | None
    ended_at: datetime | None
    api_key_id: str | None
    service_tier: str | None
    region: str | None
    experiment_id: str | None
    variant_id: str | None
    prompt_version: str | None
    prompt_hash: str | None
    tags: str | None
    cost_usd: Decimal | None
    uncached_input_tokens: int | None
    cache_read_tokens: int | None
    cache_write_5m_tokens: int | None
    cache_write_1h_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    input_audio_tokens: int | None
    output_audio_tokens: int | None
    input_image_tokens: int | None
    queue_ms: float | None
    policy_ms: float | None
    ttft_ms: float | None
    total_ms: float | None
    topic_partition: int
    topic_offset: int


class RollupDelta(NamedTuple):
    """What is added to one row of `ledger.rollup_1m`; the histograms are packed (`observatory.rules.sketch`)."""

    bucket: datetime
    tenant_id: str
    provider: str
    model: str
    operation: str
    part: int
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
    latency_ms_hist: list[int]
    ttft_ms_hist: list[int]


class StoredOffset(NamedTuple):
    """How far a partition was applied, in its newest log."""

    part: int
    log_epoch: int
    next_offset: int
    last_record_at: datetime | None


class Move(NamedTuple):
    """One step of a partition: from the offset that must be stored to the one that will be."""

    part: int
    log_epoch: int
    expected: int
    next_offset: int
    last_record_at: datetime | None
    applied_until: datetime


class Drained(NamedTuple):
    """A partition in which nothing was left to read at `until`."""

    part: int
    log_epoch: int
    next_offset: int
    until: datetime


class SinkOffsets:
    """The offsets of one sink on one topic, moved under the name of one owner."""

    def __init__(self, sink: str, topic: str, owner: str) -> None:
        self._names = (sink, topic)
        self._owner = owner

    async def read(self, database: Database) -> dict[int, StoredOffset]:
        """The stored offset of each partition that has one."""
        rows = await database.fetch(_SQL["offsets"], *self._names)
        return {row["part"]: StoredOffset(*row) for row in rows}

    async def open_log(self, pool: Pool, part: int, log_epoch: int, next_offset: int) -> None:
        """Begins the log of a partition; a row that is there already stays."""
        await pool.execute(_SQL["open_log"], *self._names, log_epoch, part, next_offset, self._owner)

    async def move(self, connection: Connection, moves: Sequence[Move]) -> bool:
        """Locks the rows in ascending order and moves them all, or none when one is not where it was expected."""
        parts, epochs, expected, *new = map(list, zip(*sorted(moves), strict=True))
        rows = await connection.fetch(_SQL["lock_offsets"], *self._names, parts, epochs)
        if [row["next_offset"] for row in rows] != expected:
            return False
        await connection.execute(_SQL["move_offsets"], *self._names, self._owner, parts, epochs, *new)
        return True

    async def drained(self, pool: Pool, partitions: Sequence[Drained]) -> None:
        """Moves `applied_until` of partitions that are still at that offset."""
        columns = map(list, zip(*partitions, strict=True))
        await pool.execute(_SQL["drained"], *self._names, self._owner, *columns)


async def watermark(pool: Pool, sink: str, topic: str) -> datetime | None:
    """The broker's time up to which every record is applied; None while a partition was never read to a known time."""
    moment: datetime | None = await pool.fetchval(_SQL["watermark"], sink, topic)
    return moment


async def commit_without_waiting(connection: Connection) -> None:
    """This transaction's commit does not wait for the disk: lost with a crash, its offsets are lost with it."""
    await connection.execute(_SQL["commit_without_waiting"])


def encode_facts(facts: Sequence[Fact]) -> bytes:
    """The facts as `copy_facts` takes them. Raises `UnicodeEncodeError` for a text that is not Unicode."""
    return csv_lines(facts)


async def copy_facts(connection: Connection, encoded: Iterable[bytes]) -> None:
    """Writes new facts. Raises `UniqueViolationError` when one of them is there already."""
    await copy_lines(connection, "calls", Fact._fields, encoded, schema="ledger")


async def stage_facts(connection: Connection, facts: Sequence[Fact]) -> set[tuple[UUID, datetime]]:
    """Writes those facts that are not there; returns their names. All of them stay staged for `replace_facts`."""
    await connection.execute(_SQL["create_staging"])
    await copy_rows(connection, "staged_calls", Fact._fields, facts)
    return {(row["call_id"], row["started_at"]) for row in await connection.fetch(_SQL["insert_staged"])}


async def lock_facts(connection: Connection, facts: Sequence[Fact]) -> list[Fact]:
    """What is stored under the names of these facts, locked until the transaction ends."""
    ids, times = [fact.call_id for fact in facts], [fact.started_at for fact in facts]
    rows = await connection.fetch(_SQL["lock_calls"], ids, times, min(times), max(times))
    return [Fact(*row) for row in rows]


async def replace_facts(connection: Connection, oldest: datetime, newest: datetime) -> None:
    """Overwrites each stored fact that is staged with a higher revision, `started_at` from `oldest` to `newest`."""
    await connection.execute(_SQL["replace_calls"], oldest, newest)


async def add_to_rollups(database: Database, deltas: Sequence[RollupDelta]) -> None:
    """Adds each delta to its row."""
    if not deltas:
        return
    *columns, latency, ttft = map(list, zip(*deltas, strict=True))
    await database.execute(_SQL["add_to_rollups"], *columns, _arrays(latency), _arrays(ttft))


def _arrays(histograms: list[list[int]]) -> list[str]:
    """As text: an array of arrays of different lengths does not exist in SQL."""
    return ["{" + ",".join(map(str, histogram)) + "}" for histogram in histograms]


async def only_one_cleaner(connection: Connection) -> bool:
    """Whether this transaction is the one that cleans; others find it busy."""
    return bool(await connection.fetchval(_SQL["only_one_cleaner"]))


async def drop_old_facts(connection: Connection, days: int) -> int:
    """Drops the chunks of facts that are wholly older; returns how many."""
    return int(await connection.fetchval(_SQL["drop_old_chunks"], days))


async def delete_old_journal(pool: Pool, days: int, batch: int) -> int:
    """Deletes finished and published requests and attempts that are older, `batch` of each; returns how many."""
    deleted = 0
    for name in ("delete_old_requests", "delete_old_attempts"):
        status = await pool.execute(_SQL[name], days, batch)
        deleted += int(status.split()[-1])
    return deleted
