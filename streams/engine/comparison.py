"""Compares what is stored of folds with the same folds run once over their topics from the start.

It is the proof behind "every state equals its fold", and the shadow in which a new version of a fold runs: the stored
states are those of the version that runs, the replayed ones those of the code that compares.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec
from aiokafka import AIOKafkaConsumer

from observatory.adapters.postgres import streams as tables
from observatory.adapters.postgres.pool import Connection, Pool
from observatory.adapters.postgres.streams import Input, Stored
from streams.engine.fold import encode
from streams.engine.replay import Replay
from streams.engine.states import AnyFold, in_order, root_of

MOST_DIFFERENCES = 20


@dataclass(frozen=True, slots=True)
class Difference:
    """One state that is not what the fold makes; one of both is empty when it is not there."""

    part: int
    key: str
    stored: str
    replayed: str


@dataclass(slots=True)
class FoldComparison:
    """How the states of a fold compare; `older` began before the broker's log does and cannot be made again.

    Of the differences the first are kept and all are counted.
    """

    fold: str
    states: int = 0
    equal: int = 0
    older: int = 0
    different: int = 0
    examples: list[Difference] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether no state differs."""
        return self.different == 0

    def differs(self, difference: Difference) -> None:
        """Counts one."""
        self.different += 1
        if len(self.examples) < MOST_DIFFERENCES:
            self.examples.append(difference)


Snapshot = tuple[dict[Input, Stored], dict[str, dict[tuple[int, str], tuple[int, str]]]]


async def compare(
    pool: Pool, consumer: AIOKafkaConsumer, prefix: str, folds: Sequence[AnyFold]
) -> list[FoldComparison]:
    """One comparison for each fold. Workers may go on meanwhile: it is made at the offsets of one snapshot.

    Raises `ReplayTimeout`, `KafkaError` and what the database raises.
    """
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        offsets, stored = await _snapshot(connection, folds)
    replay = Replay(consumer, prefix, folds)
    await replay.run({source: at.next_offset for source, at in offsets.items()})
    by_name = {fold.name: fold for fold in folds}
    return [_compare(fold, root_of(fold, by_name), stored[fold.name], replay) for fold in in_order(folds)]


async def _snapshot(connection: Connection, folds: Sequence[AnyFold]) -> Snapshot:
    offsets = await read_offsets(connection, folds)
    parts = sorted({source.part for source in offsets})
    stored: dict[str, dict[tuple[int, str], tuple[int, str]]] = {}
    for fold in folds:
        rows = [row for part in parts for row in await tables.all_states(connection, fold.name, part)]
        stored[fold.name] = {(row.part, row.key): (row.version, row.state) for row in rows}
    return offsets, stored


async def read_offsets(connection: Connection, folds: Iterable[AnyFold]) -> dict[Input, Stored]:
    """How far the inputs of these folds are applied."""
    reading = [fold for fold in folds if fold.inputs]
    topics = sorted({topic.name for fold in reading for topic in fold.inputs})
    return await tables.stored_offsets(connection, [fold.sink for fold in reading], topics)


def _compare(
    fold: AnyFold, root: AnyFold, stored: dict[tuple[int, str], tuple[int, str]], replay: Replay
) -> FoldComparison:
    made = replay.states(fold.name)
    truncated = {
        part for (topic, part), start in replay.log_starts.items()
        if start > 0 and any(topic == source.name for source in root.inputs)
    }  # fmt: skip
    result = FoldComparison(fold.name, states=len(stored))
    # How topics interleave decides how often a state changes, and whether one is left from which all was taken back.
    ordered = len(root.inputs) == 1
    for name, (version, text) in stored.items():
        made_version, _, made_text = made.pop(name, (0, 0, ""))
        same = (version == made_version or not ordered) and _again(fold, text) == made_text
        if same if made_text else _is_empty(fold, text):
            result.equal += 1
        elif name[0] in truncated and (made_version < version or not ordered):
            result.older += 1
        else:
            result.differs(Difference(*name, text, made_text))
    forgotten = (time.time() - fold.keep.total_seconds()) * 1000
    for name, (_, touched_ms, text) in made.items():
        if touched_ms > forgotten and not _is_empty(fold, text):
            result.differs(Difference(*name, "", text))
    return result


def _is_empty(fold: AnyFold, text: str) -> bool:
    try:
        return fold.is_empty(fold.decode(text))
    except (msgspec.DecodeError, ValueError):
        return False


def _again(fold: AnyFold, text: str) -> str:
    """A stored state as it would be written now; as it is when this fold cannot read it."""
    try:
        return encode(fold.decode(text))
    except (msgspec.DecodeError, ValueError):
        return text
