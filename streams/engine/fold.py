"""What a stateful processor is: a pure fold, `(state, event) -> state`, with one state for each key and partition.

A fold knows nothing of Kafka, Faust, the database or the clock. The engine (`streams.engine.applier`) brings it each
event of its topics once and in the order of each partition, and keeps its states in the table `streams.<name>`.
What a fold itself must do: know what comes again at a new offset, end in the same state however the partitions of its
topics interleave, and keep its state small.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any, Generic, NamedTuple, Protocol, TypeVar
from uuid import UUID

import msgspec

from observatory.adapters.kafka import Record
from observatory.adapters.postgres.pool import Pool
from schemas.base import Event
from schemas.topics import Topic

S = TypeVar("S", bound=msgspec.Struct)

LONGEST_KEY_BYTES = 1_000
"""A longer key is replaced by its hash: an index entry has to fit a third of a page."""


class At(NamedTuple):
    """Where an event stood: catalogue name of the topic, partition, offset, append time in ms, and its `ce_id`.

    Append times are the broker's and never fall within a partition. `ce_id` is empty when a client sent none.
    """

    topic: str
    part: int
    offset: int
    time_ms: int
    ce_id: str


class Out(Protocol):
    """What a fold may say besides its new state; kept in the same transaction."""

    def derive(self, fold: str, key: str, event: object) -> None:
        """Hands an event to another fold, in the same partition and in this order."""

    def row(self, table: str, row: tuple[object, ...]) -> None:
        """A row for one of the fold's detail tables."""


@dataclass(frozen=True, kw_only=True)
class RowTable:
    """A detail table of a fold, with its schema, and the columns of a row; rows that are there already stay."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Fold(Generic[S]):
    """One processor. Its states are in `streams.<name>`, its offsets under the sink `streams.<name>`.

    `inputs` are its topics; none: it gets only what one other fold, `parent`, derives.
    `key` names the state that an event changes, or None when the event is not for this fold.
    `apply` returns the state, which it may have changed in place, or None when nothing changed.
    `keep`: a row that was not changed for so long is removed.
    `is_empty` tells a state from which everything was taken back: as good as none, which another order of the topics
    may leave.
    """

    name: str
    inputs: tuple[Topic, ...] = ()
    parent: str = ""
    state: type[S]
    key: Callable[[Any], str | None] = lambda _: None
    apply: Callable[[S | None, Any, At, Out], S | None]
    keep: timedelta
    is_empty: Callable[[S], bool] = lambda _: False
    version: int = 1
    rows: tuple[RowTable, ...] = ()
    decode: Callable[[bytes | str], S] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if bool(self.inputs) == bool(self.parent):
            raise ValueError(f"fold {self.name}: it has either topics or a parent")
        object.__setattr__(self, "decode", msgspec.json.Decoder(self.state).decode)

    @property
    def sink(self) -> str:
        """The name under which its offsets are kept."""
        return f"streams.{self.name}"


class Outgoing(NamedTuple):
    """A record that a relay sends: its body is JSON already."""

    topic: Topic
    key: str
    event: type[Event]
    body: bytes
    ce_id: UUID


@dataclass(frozen=True, kw_only=True)
class Relay:
    """Sends what it reads from one topic on to another: at least once, before its offset moves, under the same ids.

    `relay` raises one of `pool.TRANSIENT` when the database is away; records that cannot be read are not given to it.
    """

    name: str
    input: Topic
    relay: Callable[[Pool, Sequence[Record]], Awaitable[Sequence[Outgoing]]]

    @property
    def sink(self) -> str:
        """The name under which its offsets are kept."""
        return f"streams.{self.name}"


_JOIN = "\x1e"
_WIDEST = 4  # bytes of a character
_ENCODER = msgspec.json.Encoder(order="deterministic")


def key_of(*parts: str) -> str:
    """One key of several names; a very long one is hashed."""
    key = _JOIN.join(parts)
    if len(key) * _WIDEST <= LONGEST_KEY_BYTES:
        return key
    raw = key.encode()
    return key if len(raw) <= LONGEST_KEY_BYTES else "sha256:" + sha256(raw).hexdigest()


def encode(state: msgspec.Struct) -> str:
    """A state as JSON that PostgreSQL takes: it knows no character NUL.

    Names in a mapping are sorted: the database keeps them in an order of its own.
    """
    text = _ENCODER.encode(state).decode()
    return text.replace("\\u0000", "\\ufffd") if "\\u0000" in text else text
