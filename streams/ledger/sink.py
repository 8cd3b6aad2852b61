"""Writes a batch in one transaction: offsets by compare-and-set, facts, and the rollup deltas of what changed.

Only what was really inserted or replaced changes a rollup, so repeats and reordering change nothing; and when the
transaction is undone the offsets are undone with it, so the batch is read again.
"""

from collections.abc import Sequence

import asyncpg

from observatory.adapters.postgres import ledger
from observatory.adapters.postgres.ledger import Fact, RollupDelta, SinkOffsets
from observatory.adapters.postgres.pool import Connection, Pool
from streams.ledger.batch import Batch
from streams.ledger.rollups import deltas


class OffsetsMoved(Exception):
    """Another ledger has moved the offsets of a partition of the batch: nothing was written, drop the batch."""


async def write(pool: Pool, offsets: SinkOffsets, batch: Batch) -> None:
    """Writes the batch, all or nothing.

    1. Move the offsets; whoever else holds a partition of the batch waits here and then finds them moved.
    2. Write the facts: new ones by COPY, else one by one as far as they are new or newer.
    3. Add to the rollups what the facts that were written change.

    Raises `OffsetsMoved`, and what PostgreSQL refuses.
    """
    async with pool.acquire() as connection, connection.transaction():
        await ledger.commit_without_waiting(connection)
        if not await offsets.move(connection, batch.moves):
            raise OffsetsMoved
        changes = await _write_facts(connection, batch.facts)
        await ledger.add_to_rollups(connection, changes)


async def _write_facts(connection: Connection, facts: Sequence[Fact]) -> list[RollupDelta]:
    first = [fact for fact in facts if fact.revision == 1]
    later = [fact for fact in facts if fact.revision > 1]
    try:
        async with connection.transaction():
            await ledger.copy_facts(connection, first)
    except asyncpg.UniqueViolationError:
        first, later = [], list(facts)
    replaced: list[tuple[Fact, int]] = []
    if later:
        written, replaced = await _merge(connection, later)
        first += written
    return deltas(first, replaced)


async def _merge(connection: Connection, facts: Sequence[Fact]) -> tuple[list[Fact], list[tuple[Fact, int]]]:
    """Inserts what is new and replaces what is older; returns the facts written and those replaced, with our part.

    1. Insert where there is no such fact; this waits for another ledger that is just inserting it.
    2. Lock the facts that were there already.
    3. Replace those with a lower revision.
    """
    inserted = await ledger.stage_facts(connection, facts)
    written = [fact for fact in facts if (fact.call_id, fact.started_at) in inserted]
    known = {(f.call_id, f.started_at): f for f in facts if (f.call_id, f.started_at) not in inserted}
    if not known:
        return written, []
    stored = await ledger.lock_facts(connection, list(known.values()))
    replaced = []
    for old in stored:
        new = known[old.call_id, old.started_at]
        if new.revision > old.revision:
            written.append(new)
            replaced.append((old, new.topic_partition))
    if replaced:
        times = [old.started_at for old, _ in replaced]
        await ledger.replace_facts(connection, min(times), max(times))
    return written, replaced
