"""Where each partition is read from: the least of the offsets that its folds stored, checked against the broker's log.

As for the ledger, a log is known again by the append time of the record before a stored offset; a topic that was made
anew begins a new log epoch at its start. A fold that is new reads its topics from their start.
"""

import logging
from collections.abc import Iterable, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from observatory.adapters.postgres import streams as tables
from observatory.adapters.postgres.ledger import StoredOffset
from observatory.adapters.postgres.pool import Pool
from observatory.adapters.postgres.streams import Input, Stored
from streams.engine import metrics
from streams.ledger.placement import FIRST_EPOCH, is_another_log

log = logging.getLogger(__name__)


async def place(
    scout: AIOKafkaConsumer, pool: Pool, owner: str, prefix: str, partitions: Iterable[TopicPartition],
    readers: dict[str, Sequence[str]],
) -> tuple[dict[Input, Stored], dict[TopicPartition, int]]:  # fmt: skip
    """Where each input stands, and from where each partition is to be read. Opens the logs that are new.

    `readers` are the sinks of a topic by its name in the catalogue, which `prefix` makes the broker's. `scout` only
    asks. Raises `KafkaError` or one of `pool.TRANSIENT` when broker or database are away.
    """
    wanted = [tp for tp in partitions if tp.topic.removeprefix(prefix) in readers]
    if not wanted:
        return {}, {}
    begin, end = await scout.beginning_offsets(wanted), await scout.end_offsets(wanted)
    topics = sorted({tp.topic.removeprefix(prefix) for tp in wanted})
    stored = await tables.stored_offsets(pool, sorted({s for t in topics for s in readers[t]}), topics)
    positions: dict[Input, Stored] = {}
    starts: dict[TopicPartition, int] = {}
    for tp in wanted:
        topic = tp.topic.removeprefix(prefix)
        for sink in readers[topic]:
            source = Input(sink, topic, tp.partition)
            positions[source] = await _stands(scout, tp, source, stored.get(source), begin[tp], end[tp])
        least = min(positions[Input(sink, topic, tp.partition)].next_offset for sink in readers[topic])
        starts[tp] = max(least, begin[tp])
    await tables.open_logs(pool, owner, ((source, s.log_epoch, s.next_offset) for source, s in positions.items()))
    return positions, starts


async def _stands(
    scout: AIOKafkaConsumer, tp: TopicPartition, source: Input, stored: Stored | None, begin: int, end: int
) -> Stored:
    if stored is None:
        return Stored(FIRST_EPOCH, begin, None)
    known = StoredOffset(source.part, *stored)
    if stored.next_offset > end or (stored.next_offset > begin and await is_another_log(scout, tp, known)):
        log.error("%s: this is not the log that was read up to %d; reading from its start", source, stored.next_offset)
        return Stored(stored.log_epoch + 1, begin, None)
    if stored.next_offset < begin:
        metrics.LOST_RECORDS.inc(begin - stored.next_offset)
        log.error("%s: the broker deleted records %d to %d unread", source, stored.next_offset, begin - 1)
    return stored
