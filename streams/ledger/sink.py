"""Writes a batch in one transaction: offsets by compare-and-set, facts, what they change in rollups, adjustments.

Only what was really inserted or replaced changes a rollup, so repeats and reordering change nothing; and when the
transaction is undone the offsets are undone with it, so the batch is read again.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from observatory.adapters.postgres import ledger
from observatory.adapters.postgres.adjustments import apply_adjustments
from observatory.adapters.postgres.ledger import Fact, SinkOffsets
from observatory.adapters.postgres.pool import Connection, Pool
from streams.ledger.batch import Batch
from streams.ledger.rollups import deltas

FactName = tuple[UUID, datetime]


class OffsetsMoved(Exception):
    """Another ledger has moved the offsets of a partition of the batch: nothing was written, drop the batch."""


async def write(pool: Pool, offsets: SinkOffsets, batch: Batch) -> None:
    """Writes the batch, all or nothing.

    1. Move the offsets; whoever else holds a partition of the batch waits here and then finds them moved.
    2. Write the facts: by COPY when all are new, else as far as they are new or newer.
    3. Add to the rollups what the facts that were written change.
    4. Write the adjustments that are new.

    Raises `OffsetsMoved`, and what PostgreSQL refuses.
    """
    async with pool.acquire() as connection, connection.transaction():
        await ledger.commit_without_waiting(connection)
        if not await offsets.move(connection, batch.moves):
            raise OffsetsMoved
        await _write_facts(connection, batch)
        if batch.adjustments:
            await apply_adjustments(connection, batch.adjustments)


async def _write_facts(connection: Connection, batch: Batch) -> None:
    prepared = batch.prepared()
    try:
        async with connection.transaction():
            await ledger.copy_facts(connection, prepared.encoded)
    except asyncpg.UniqueViolationError:
        await _merge(connection, [*batch.first, *batch.later])
        return
    await ledger.add_to_rollups(connection, prepared.changes)
    if batch.later:
        await _merge(connection, batch.later)


async def _merge(connection: Connection, facts: Sequence[Fact]) -> None:
    """Writes facts of which some may be there already, and what that changes in the rollups.

    1. Insert where there is no such fact; this waits for another ledger that is just inserting it.
    2. Lock the facts that were there, replace those of a lower revision.
    3. Add what was written to the rollups and take back what was replaced, under the part that replaces it.
    """
    inserted = await ledger.stage_facts(connection, facts)
    written = [fact for fact in facts if (fact.call_id, fact.started_at) in inserted]
    there = {(f.call_id, f.started_at): f for f in facts if (f.call_id, f.started_at) not in inserted}
    replaced = await _replace(connection, there) if there else []
    written += [new for _, new in replaced]
    await ledger.add_to_rollups(connection, deltas(written, [(old, new.topic_partition) for old, new in replaced]))


async def _replace(connection: Connection, there: Mapping[FactName, Fact]) -> list[tuple[Fact, Fact]]:
    """Replaces the stored facts of a lower revision; returns each old one with its new one."""
    stored = await ledger.lock_facts(connection, list(there.values()))
    pairs = [(old, there[old.call_id, old.started_at]) for old in stored]
    replaced = [(old, new) for old, new in pairs if new.revision > old.revision]
    if replaced:
        times = [old.started_at for old, _ in replaced]
        await ledger.replace_facts(connection, min(times), max(times))
    return replaced
