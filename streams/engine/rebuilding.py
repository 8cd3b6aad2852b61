"""Makes the states of a fold and its children anew from their topics, beside the workers, and replaces them at once.

Until then the old states stay. The new ones go in with a new log epoch for the fold's offsets: each worker finds them
moved, forgets what it holds in memory and goes on from there.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer

from observatory.adapters.postgres import streams as tables
from observatory.adapters.postgres.pool import Connection, Pool
from observatory.adapters.postgres.streams import Input, KeptState, Stored
from streams.engine.comparison import read_offsets
from streams.engine.replay import Replay
from streams.engine.states import AnyFold

CHUNK = 5_000


class NothingToRebuild(Exception):
    """The fold has read nothing yet."""


async def rebuild(
    pool: Pool, consumer: AIOKafkaConsumer, prefix: str, folds: Sequence[AnyFold], owner: str
) -> dict[str, int]:
    """Replaces the states of one fold and its children; returns how many each has now.

    What the broker no longer holds cannot be made again and is gone afterwards. Raises `NothingToRebuild`,
    `ReplayTimeout`, `KafkaError` and what the database raises; then nothing has changed.
    """
    replay = Replay(consumer, prefix, folds)
    async with pool.acquire() as connection:
        offsets = await read_offsets(connection, folds)
        if not offsets:
            raise NothingToRebuild(", ".join(fold.name for fold in folds))
        await replay.run(_ends(offsets))
        async with connection.transaction():
            # The workers wait now; what they have applied meanwhile is read too.
            locked = await tables.lock_offsets(connection, sorted({(s.sink, s.part) for s in offsets}))
            await replay.run(_ends(locked))
            await tables.begin_epochs(connection, owner, locked)
            parts = sorted({source.part for source in locked})
            return {fold.name: await _replace(connection, fold.name, parts, replay) for fold in folds}


def _ends(offsets: dict[Input, Stored]) -> dict[Input, int]:
    return {source: stored.next_offset for source, stored in offsets.items()}


async def _replace(connection: Connection, fold: str, parts: list[int], replay: Replay) -> int:
    await tables.delete_states(connection, fold, parts)
    rows = [
        KeptState(*name, made.version, datetime.fromtimestamp(made.touched_ms / 1000, UTC), made.text)
        for name, made in replay.states(fold).items()
    ]
    for begin in range(0, len(rows), CHUNK):
        await tables.keep_states(connection, fold, rows[begin : begin + CHUNK])
    return len(rows)
