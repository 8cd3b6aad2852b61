"""Applies records to folds: states, detail rows and offsets move in one transaction, or nothing does.

The rows of the offsets are locked first. Who else holds them waits and then finds them moved, so it never matters how
many processes believe that a partition is theirs. A fold of several topics locks all of theirs: what it keeps for a
partition is changed by one transaction after the other. The commit does not wait for the disk: a crash of the database
loses states and offsets together.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache

import asyncpg
import msgspec

from observatory.adapters.kafka import Record, Unreadable
from observatory.adapters.postgres import streams as tables
from observatory.adapters.postgres.ledger import commit_without_waiting
from observatory.adapters.postgres.pool import Connection, Pool
from observatory.adapters.postgres.streams import Input, KeptState, Step, Stored
from streams.engine import events, metrics
from streams.engine.fold import At, Outgoing, Relay
from streams.engine.states import (
    AnyFold,
    AnyStates,
    Change,
    Effects,
    FoldFailed,
    Skipped,
    States,
    Written,
    in_order,
    root_of,
)

log = logging.getLogger(__name__)

Send = Callable[[Sequence[Outgoing]], Awaitable[None]]

MOST_STATES = 10_000
MOST_STATE_BYTES = 8_000_000
"""Of each fold in memory between two batches; the others are read again when they are needed."""


class OffsetsMoved(Exception):
    """Somebody else moved the offsets of a partition: nothing was written; find out where it stands and go on."""


class Arrived(msgspec.Struct, gc=False):
    """A record that was read: `event` is None when it is for no fold."""

    record: Record
    at: At
    event: object


class Applier:
    """The folds of one process with their states and with what it believes of their offsets.

    `positions` are the offsets as far as this process knows; they are right, or the transaction fails.
    """

    def __init__(
        self, pool: Pool, folds: Iterable[AnyFold], owner: str, relays: Sequence[Relay] = (), send: Send | None = None
    ) -> None:
        if relays and send is None:
            raise ValueError("relays need a way to send")
        self._pool, self._owner, self._relays, self._send = pool, owner, relays, send
        self.folds = {fold.name: fold for fold in in_order(folds)}
        self._states: dict[str, AnyStates] = {name: States(fold) for name, fold in self.folds.items()}
        self.positions: dict[Input, Stored] = {}
        self._placed: dict[Input, Stored] = {}
        self._passed_over: set[Skipped] = set()

    @property
    def topics(self) -> list[str]:
        """The topics that are read, by their names in the catalogue."""
        read = {topic.name for fold in self.folds.values() for topic in fold.inputs}
        return sorted(read | {relay.input.name for relay in self._relays})

    def sinks(self, topic: str) -> list[str]:
        """Who reads this topic, by its name in the catalogue."""
        folds = [fold.sink for fold in self.folds.values() if any(topic == source.name for source in fold.inputs)]
        return folds + [relay.sink for relay in self._relays if relay.input.name == topic]

    def place(self, positions: Mapping[Input, Stored]) -> None:
        """Where inputs stand by the database; taken up before the next batch, since one may be under way."""
        self._placed.update(positions)

    def settle_in(self) -> None:
        """Takes up what was placed; states of inputs that are elsewhere than was believed are forgotten."""
        for source, stored in self._placed.items():
            self._stands(source, stored)
        self._placed.clear()

    def least(self, topic: str, part: int) -> int:
        """From where on records of a partition are still to be applied by some fold."""
        return min(self.positions[Input(sink, topic, part)].next_offset for sink in self.sinks(topic))

    def forget(self) -> None:
        """Forgets all states: after a failure those in memory may be ahead of the database."""
        for states in self._states.values():
            states.forget()

    def pass_over(self, failed: FoldFailed) -> None:
        """This fold will not see this event again."""
        self._passed_over.add((failed.fold, failed.at.topic, failed.at.part, failed.at.offset))

    async def apply(self, arrived: Sequence[Arrived]) -> None:
        """Applies what each fold has not applied yet, and moves its offsets past these records.

        Records of a partition are in order and follow on what was applied before. Raises `OffsetsMoved`, `FoldFailed`
        and what PostgreSQL refuses; then nothing was written, and `forget` is due.
        """
        by_input: dict[tuple[str, int], list[Arrived]] = {}
        for one in arrived:
            by_input.setdefault((one.at.topic, one.at.part), []).append(one)
        steps = self._steps(by_input)
        if not steps:
            return
        for relay in self._relays:
            await self._relay(relay, by_input)
        async with self._pool.acquire() as connection, connection.transaction():
            await commit_without_waiting(connection)
            await self._lock(connection, steps)
            effects = Effects()
            written = []
            for fold in self.folds.values():
                changes = self._changes(fold, by_input) if fold.inputs else effects.derived.pop(fold.name, [])
                if changes:
                    written.append((await self._apply_fold(connection, fold, changes, effects), fold))
            for fold in self.folds.values():
                for table in fold.rows:
                    if rows := effects.rows.get(table.name):
                        await tables.add_rows(connection, table.name, table.columns, rows)
            await tables.move_offsets(connection, self._owner, steps)
        for kept, fold in written:
            self._states[fold.name].kept(kept, MOST_STATES, MOST_STATE_BYTES)
        self.positions.update((step.input, Stored(step.log_epoch, step.next_offset, None)) for step in steps)

    async def _relay(self, relay: Relay, by_input: Mapping[tuple[str, int], Sequence[Arrived]]) -> None:
        records = []
        for (topic, part), arrived in by_input.items():
            if topic == relay.input.name:
                begin = self.positions[Input(relay.sink, topic, part)].next_offset
                records += [one.record for one in arrived if one.at.offset >= begin and one.event is not None]
        if records and self._send is not None:
            await self._send(await relay.relay(self._pool, records))
            metrics.EVENTS.labels(relay.name).inc(len(records))

    def _steps(self, by_input: Mapping[tuple[str, int], Sequence[Arrived]]) -> list[Step]:
        steps = []
        for (topic, part), arrived in by_input.items():
            last = arrived[-1].at
            moment = _moment(last.time_ms)
            for sink in self.sinks(topic):
                source = Input(sink, topic, part)
                known = self.positions[source]
                if known.next_offset <= last.offset:
                    steps.append(Step(source, known.log_epoch, last.offset + 1, moment, moment))
        return steps

    async def _lock(self, connection: Connection, steps: Sequence[Step]) -> None:
        """Locks the offsets of all that will change, and compares them with what this process knows."""
        wanted = sorted({(step.input.sink, step.input.part) for step in steps})
        found = await tables.lock_offsets(connection, wanted)
        for step in steps:
            if not _same(found.get(step.input), self.positions[step.input]):
                raise OffsetsMoved
        for source, stored in found.items():
            # Another topic's partition of the same number: if another process has it, it changed the same states.
            self._stands(source, stored)

    def _stands(self, source: Input, stored: Stored) -> None:
        if _same(stored, self.positions.get(source)):
            return
        self.positions[source] = stored
        for fold in self.folds.values():
            if root_of(fold, self.folds).sink == source.sink:
                self._states[fold.name].forget(source.part)

    def _changes(self, fold: AnyFold, by_input: Mapping[tuple[str, int], Sequence[Arrived]]) -> list[Change]:
        changes: list[Change] = []
        topics = {topic.name for topic in fold.inputs}
        for (topic, part), arrived in by_input.items():
            if topic not in topics:
                continue
            begin = self.positions[Input(fold.sink, topic, part)].next_offset
            changes += [
                Change((part, key), one.event, one.at)
                for one in arrived
                if one.at.offset >= begin and (key := self._key(fold, one)) is not None
            ]
        return changes

    def _key(self, fold: AnyFold, one: Arrived) -> str | None:
        if one.event is None or (self._passed_over and (fold.name, *one.at[:3]) in self._passed_over):
            return None
        try:
            return fold.key(one.event)
        except Exception as error:
            raise FoldFailed(fold.name, one.at, error) from error

    async def _apply_fold(
        self, connection: Connection, fold: AnyFold, changes: Sequence[Change], effects: Effects
    ) -> list[Written]:
        states = self._states[fold.name]
        missing = states.missing(change.name for change in changes)
        if missing:
            for part, key, version, text in await tables.load_states(connection, fold.name, missing):
                states.put((part, key), version, text)
        states.apply(changes, effects, self._passed_over)
        changed = states.changed()
        try:
            await tables.add_states(connection, fold.name, [_row(one) for one in changed if one.new])
        except asyncpg.UniqueViolationError as error:  # somebody put states there by another way
            raise OffsetsMoved from error
        await tables.keep_states(connection, fold.name, [_row(one) for one in changed if not one.new])
        metrics.EVENTS.labels(fold.name).inc(len(changes))
        return changed


def _row(one: Written) -> KeptState:
    return KeptState(*one.name, one.entry.version, _moment(one.entry.touched_ms), one.text)


@lru_cache(maxsize=4096)
def _moment(time_ms: int) -> datetime:
    """What a poll brings was appended within few milliseconds."""
    return datetime.fromtimestamp(time_ms / 1000, UTC)


def _same(one: Stored | None, other: Stored | None) -> bool:
    return (one is not None and other is not None) and one[:2] == other[:2]


def arrive(record: Record, topic: str) -> tuple[Arrived, str]:
    """A record of a topic as folds see it, and why it cannot be read, if so."""
    try:
        return Arrived(record, events.at(record, topic), events.read(record, topic)), ""
    except Unreadable as error:
        return Arrived(record, events.at(record, topic), None), str(error)
