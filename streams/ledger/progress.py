"""What the ledger knows of its own progress: lag, watermark, and whether it is stuck.

A partition is complete up to the append time of its last applied record or, when nothing more was there to read, up to
the poll that found that out.
"""

import logging
import math
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from observatory.adapters.postgres.ledger import Drained, Move, SinkOffsets
from observatory.adapters.postgres.pool import Pool
from streams.ledger import metrics
from streams.ledger.placement import Position

log = logging.getLogger(__name__)

NOTE_S = 1.0
STUCK_S = 60.0


class Progress:
    """Notes once a second how far the ledger is, in the database, in the metrics and for Kafka's lag monitors."""

    def __init__(self, topic: str, consumer: AIOKafkaConsumer, pool: Pool, offsets: SinkOffsets) -> None:
        self._topic, self._consumer, self._pool, self._offsets = topic, consumer, pool, offsets
        self._applied: dict[int, int] = {}
        self._polls: dict[int, tuple[int, int]] = {}
        self._noted_at = 0.0
        self._moved_at = time.monotonic()
        self._complete_until: dict[int, datetime] = {}
        self._watermark: datetime | None = None
        # Asked when it is shown: while nothing can be noted, the age grows all the same.
        metrics.WATERMARK_AGE.set_function(self._watermark_age_s)
        self.lag = 0
        self.waiting_for = ""

    def placed(self, positions: Mapping[int, Position]) -> None:
        """Partitions were placed where the database says that they are applied up to."""
        self._applied.update((part, position.next_offset) for part, position in positions.items())

    def applied(self, moves: Sequence[Move]) -> None:
        """A batch was committed."""
        self._moved_at = time.monotonic()
        for move in moves:
            self._applied[move.part] = move.next_offset
            self._complete_until[move.part] = move.applied_until

    async def note(self, positions: Mapping[int, Position]) -> None:
        """Once a second; cheap in between. Raises one of `pool.TRANSIENT` when the database is away."""
        now = time.monotonic()
        if now - self._noted_at < NOTE_S:
            return
        self._noted_at = now
        self._polls = {part: polls for part, polls in self._polls.items() if part in positions}
        drained = [drained for part, at in positions.items() if (drained := self._drained(part, at))]
        self._complete_until = {part: at for part, at in self._complete_until.items() if part in positions}
        if drained:
            await self._offsets.drained(self._pool, drained)
            self._complete_until.update((d.part, d.until) for d in drained)
        self._measure(positions)
        await self._tell_kafka(positions)

    def _drained(self, part: int, position: Position) -> Drained | None:
        tp = TopicPartition(self._topic, part)
        polled, highwater = self._consumer.last_poll_timestamp(tp), self._consumer.highwater(tp)
        if polled is None or highwater is None:
            return None
        before, newest = self._polls.get(part, (polled, polled))
        if polled != newest:
            before, newest = newest, polled
        self._polls[part] = (before, newest)
        if position.next_offset < highwater or before == newest:
            return None
        # The high-water mark is from after the poll before was answered, but perhaps from before this one was.
        return Drained(part, position.log_epoch, position.next_offset, datetime.fromtimestamp(before / 1000, UTC))

    def _measure(self, positions: Mapping[int, Position]) -> None:
        marks = {part: self._consumer.highwater(TopicPartition(self._topic, part)) for part in positions}
        self.lag = sum(max(0, (marks[part] or 0) - self._applied[part]) for part in positions)
        metrics.LAG.set(self.lag)
        self._watermark = self.watermark(positions)
        if self.lag == 0 and self._polled_lately():
            self._moved_at = time.monotonic()

    def _watermark_age_s(self) -> float:
        """NaN while there is no watermark."""
        return math.nan if self._watermark is None else max(0.0, time.time() - self._watermark.timestamp())

    def _polled_lately(self) -> bool:
        newest = max((newest for _, newest in self._polls.values()), default=time.time() * 1000)
        return time.time() - newest / 1000 < STUCK_S

    async def _tell_kafka(self, positions: Mapping[int, Position]) -> None:
        offsets = {TopicPartition(self._topic, p): o for p, o in self._applied.items() if p in positions}
        if not offsets:
            return
        try:
            await self._consumer.commit(offsets)
        except KafkaError as error:
            log.info("offsets for lag monitors not committed: %s", error)

    def watermark(self, positions: Mapping[int, Position]) -> datetime | None:
        """Up to when our partitions are complete; None while that is not known of each."""
        known = [self._complete_until.get(part) for part in positions]
        times = [moment for moment in known if moment is not None]
        return min(times) if times and len(times) == len(known) else None

    def stuck(self) -> bool:
        """Whether nothing moved for a minute though there is something to do and nothing known to wait for."""
        return not self.waiting_for and time.monotonic() - self._moved_at > STUCK_S
