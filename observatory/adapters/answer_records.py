"""Records of `chat.responses`: where they stand, whom they are for, and what they say."""

import logging
from dataclasses import dataclass

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from observatory.adapters.kafka import UNDECODABLE, Record, Unreadable, read_event
from observatory.rules.subscription import ANSWERS, OUTCOME_TYPES, Answer
from schemas.chat import DEFAULT_TENANT

log = logging.getLogger(__name__)


class _Address(msgspec.Struct):
    request_id: str
    tenant_id: str = DEFAULT_TENANT


_decode_address = msgspec.json.Decoder(_Address).decode


@dataclass(frozen=True, slots=True)
class Position:
    """A record's place on the topic; as text `partition-offset`, the id of a server-sent event."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}-{self.offset}"

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Raises `ValueError` for anything but two non-negative numbers with a dash between them."""
        partition, dash, offset = text.partition("-")
        if not (dash and partition.isascii() and partition.isdigit() and offset.isascii() and offset.isdigit()):
            raise ValueError(f"not a position (partition-offset): {text[:40]!r}")
        if len(partition) > 6 or len(offset) > 18:
            raise ValueError(f"no such position: {text[:40]!r}")
        return cls(int(partition), int(offset))


@dataclass(frozen=True, slots=True)
class Heard:
    """One event of an answer: what it says, its body as it came, and where it stands (None: not on the topic)."""

    answer: Answer
    body: bytes
    ce_id: str
    position: Position | None


def address_of(record: Record) -> tuple[str, str] | None:
    """Tenant and request of an answer, found without reading the rest; None when it is unreadable."""
    try:
        address = _decode_address(record.value or b"")
    except UNDECODABLE as error:
        log.warning("answers: %s-%s is unreadable: %s", record.partition, record.offset, error)
        return None
    return address.tenant_id, address.request_id


def is_outcome(record: Record) -> bool:
    """Told from the headers alone."""
    return any(name == "ce_type" and value.decode(errors="replace") in OUTCOME_TYPES for name, value in record.headers)


def heard_in(record: Record) -> Heard | None:
    """The event in a record; None, with a warning, when it cannot be read."""
    position = Position(record.partition, record.offset)
    try:
        envelope, answer = read_event(record, *ANSWERS)
    except Unreadable as error:
        log.warning("answers: %s cannot be read: %s", position, error)
        return None
    return Heard(answer, record.value or b"", envelope.ce_id or str(position), position)


async def assign(consumer: AIOKafkaConsumer, topic: str, only: int | None = None) -> list[TopicPartition]:
    """Assigns all partitions or only one, by hand: a subscription would lose its positions when metadata changes."""
    if topic not in await consumer.topics():
        raise KafkaError(f"there is no topic {topic!r}: 'observatory migrate' creates it")
    first = TopicPartition(topic, 0)
    consumer.assign([first])
    await consumer.end_offsets([first])  # has the client learn the topic's partitions
    numbers = sorted(consumer.partitions_for_topic(topic) or ())
    partitions = [TopicPartition(topic, number) for number in numbers if only in (None, number)]
    consumer.assign(partitions)
    return partitions
