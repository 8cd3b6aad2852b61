"""Calls written by the ledger's own sink without a broker: for tests of what is read back."""

from collections.abc import Sequence
from datetime import UTC, datetime

from observatory.adapters.postgres.ledger import Move, SinkOffsets
from observatory.adapters.postgres.pool import Pool
from streams.ledger.__main__ import SINK
from streams.ledger.batch import new_batch
from streams.ledger.decode import read_fact
from streams.ledger.sink import write
from tests.streams.ledger.calls import Body, encode, record

RETENTION_DAYS = 400


async def write_calls(pool: Pool, topic: str, bodies: Sequence[Body], *, until: datetime | None = None) -> None:
    """Applies the bodies as one batch of partition 0, which is complete up to `until` (now) then."""
    offsets = SinkOffsets(SINK, topic, "test")
    await offsets.open_log(pool, 0, 0, 0)
    stored = (await offsets.read(pool))[0]
    records = [record(encode(body)) for body in bodies]
    move = Move(
        0, stored.log_epoch, stored.next_offset, stored.next_offset + len(records), None, until or datetime.now(UTC)
    )
    await write(pool, offsets, new_batch(records, [move], [read_fact(each, RETENTION_DAYS) for each in records], []))
