"""Where each assigned partition is read from: the offset in the database, checked against the log that the broker has.

A log is known again by the append time of the record before the stored offset. When the topic was made anew (or Kafka's
data lost) a new log epoch begins at the log's start: facts are known by call and revision, so nothing is booked twice.
When the broker has deleted records that were never applied, that is counted, logged as an error, and reading goes on.
"""

import logging
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition

from observatory.adapters.postgres.ledger import SinkOffsets, StoredOffset
from observatory.adapters.postgres.pool import Pool
from streams.ledger import metrics

log = logging.getLogger(__name__)

FIRST_EPOCH = 1


@dataclass(slots=True)
class Position:
    """Where a partition stands: the offset that is stored (or will be, when what is in flight is committed).

    `log_start` is the oldest record that the broker had when the partition was placed.
    """

    log_epoch: int
    next_offset: int
    log_start: int


async def place(
    consumer: AIOKafkaConsumer, pool: Pool, offsets: SinkOffsets, partitions: list[TopicPartition]
) -> dict[int, Position]:
    """Seeks each partition to where the ledger stands; returns the positions by partition number.

    Raises `KafkaError` or one of `pool.TRANSIENT` when broker or database are away.
    """
    stored = await offsets.read(pool)
    begin = await consumer.beginning_offsets(partitions)
    end = await consumer.end_offsets(partitions)
    positions = {}
    for tp in partitions:
        position = await _position(consumer, tp, stored.get(tp.partition), begin[tp], end[tp])
        await offsets.open_log(pool, tp.partition, position.log_epoch, position.next_offset)
        consumer.seek(tp, max(position.next_offset, begin[tp]))
        positions[tp.partition] = position
    return positions


async def _position(
    consumer: AIOKafkaConsumer, tp: TopicPartition, stored: StoredOffset | None, begin: int, end: int
) -> Position:
    if stored is None:
        return Position(FIRST_EPOCH, begin, begin)
    if stored.next_offset > end or (stored.next_offset > begin and await is_another_log(consumer, tp, stored)):
        metrics.NEW_LOGS.inc()
        log.error(
            "%s partition %d: this is not the log that was read up to offset %d; reading it from its start, %d",
            tp.topic, tp.partition, stored.next_offset, begin,
        )  # fmt: skip
        return Position(stored.log_epoch + 1, begin, begin)
    if stored.next_offset < begin:
        metrics.LOST_RECORDS.inc(begin - stored.next_offset)
        log.error(
            "%s partition %d: the broker deleted records %d to %d before they were applied; their calls are not booked",
            tp.topic, tp.partition, stored.next_offset, begin - 1,
        )  # fmt: skip
    return Position(stored.log_epoch, stored.next_offset, begin)


async def is_another_log(consumer: AIOKafkaConsumer, tp: TopicPartition, stored: StoredOffset) -> bool:
    """Whether the broker's log is not the one that was read up to there.

    In the log that we read, a record appended at exactly that time stands before the stored offset."""
    if stored.last_record_at is None:
        return False
    append_ms = round(stored.last_record_at.timestamp() * 1000)
    found = (await consumer.offsets_for_times({tp: append_ms}))[tp]
    return found is None or found.timestamp != append_ms or found.offset >= stored.next_offset
