"""Which partitions have nothing left to read, and since when that is known."""

from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, TopicPartition


class Drains:
    """Looks at a consumer's polls: a partition is drained up to the poll before the one that showed its end.

    The high-water mark is from after the poll before was answered, but perhaps from before the last one was.
    """

    def __init__(self) -> None:
        self._polls: dict[TopicPartition, tuple[int, int]] = {}

    def until(self, consumer: AIOKafkaConsumer, tp: TopicPartition, next_offset: int) -> datetime | None:
        """Up to when everything below `next_offset` is all that there was; None when that is not known."""
        polled, highwater = consumer.last_poll_timestamp(tp), consumer.highwater(tp)
        if polled is None or highwater is None:
            return None
        before, newest = self._polls.get(tp, (polled, polled))
        if polled != newest:
            before, newest = newest, polled
        self._polls[tp] = (before, newest)
        if next_offset < highwater or before == newest:
            return None
        return datetime.fromtimestamp(before / 1000, UTC)

    def forget(self) -> None:
        """Forgets the polls: partitions were given anew."""
        self._polls.clear()
