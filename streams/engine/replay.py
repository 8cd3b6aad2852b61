"""Runs folds once over their topics from the start, in memory: what their stored states must equal.

The same folds, the same reading, no Faust, no transaction: an independent way to the same states.
"""

import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from observatory.adapters.kafka import Record
from observatory.adapters.postgres.streams import Input
from streams.engine.applier import Arrived, arrive
from streams.engine.fold import encode
from streams.engine.states import AnyFold, AnyStates, Change, Effects, FoldFailed, States, in_order

log = logging.getLogger(__name__)

PATIENCE_S = 60.0


class ReplayTimeout(Exception):
    """The broker does not deliver records that it has."""


class Made(NamedTuple):
    """A state that a replay made, as JSON; `version` counts its changes, `touched_ms` is when the last one came."""

    version: int
    touched_ms: int
    text: str


class Replay:
    """States of folds and their children, made of what the topics hold; it can go on from where it stopped.

    `consumer` belongs to no group; `prefix` makes a topic's name what the broker calls it. `log_starts` tells for each
    topic and partition where its log begins now.
    """

    def __init__(self, consumer: AIOKafkaConsumer, prefix: str, folds: Iterable[AnyFold]) -> None:
        self._consumer, self._prefix = consumer, prefix
        self._folds = in_order(folds)
        self._states: dict[str, AnyStates] = {fold.name: States(fold) for fold in self._folds}
        self._done: dict[Input, int] = {}
        self.log_starts: dict[tuple[str, int], int] = {}

    async def run(self, until: Mapping[Input, int]) -> None:
        """Reads on, up to these offsets of each fold. Raises `ReplayTimeout` and `KafkaError`."""
        for topic, part in sorted({(source.topic, source.part) for source in until}):
            reading = [fold for fold in self._folds if any(topic == source.name for source in fold.inputs)]
            ends = {fold.name: until.get(Input(fold.sink, topic, part), 0) for fold in reading}
            begins = {fold.name: self._done.get(Input(fold.sink, topic, part), 0) for fold in reading}
            tp = TopicPartition(self._prefix + topic, part)
            start = (await self._consumer.beginning_offsets([tp]))[tp]
            self.log_starts.setdefault((topic, part), start)
            async for records in _records(self._consumer, tp, max(start, min(begins.values())), max(ends.values())):
                arrived = [arrive(record, topic)[0] for record in records]
                for fold in reading:
                    first, last = begins[fold.name], ends[fold.name]
                    self._run(fold, [one for one in arrived if first <= one.at.offset < last])
            self._done.update((Input(fold.sink, topic, part), ends[fold.name]) for fold in reading)

    def states(self, fold: str) -> dict[tuple[int, str], Made]:
        """The states of a fold by partition and key."""
        return {
            name: Made(entry.version, entry.touched_ms, encode(entry.state))
            for name, entry in self._states[fold].items()
            if entry.state is not None
        }

    def _run(self, fold: AnyFold, arrived: Sequence[Arrived]) -> None:
        for one in arrived:
            effects = Effects()
            try:
                key = None if one.event is None else fold.key(one.event)
            except Exception as error:
                log.warning("%s passes over %s: %s", fold.name, one.at, error)
                continue
            if key is not None:
                self._apply(fold, Change((one.at.part, key), one.event, one.at), effects)
                for child in self._folds:
                    for change in effects.derived.pop(child.name, ()):
                        self._apply(child, change, effects)

    def _apply(self, fold: AnyFold, change: Change, effects: Effects) -> None:
        """As the live engine, passes over an event that a fold cannot take."""
        try:
            self._states[fold.name].apply([change], effects)
        except FoldFailed as failed:
            log.warning("%s is passed over: %s", failed.at, failed)


async def _records(consumer: AIOKafkaConsumer, tp: TopicPartition, start: int, end: int) -> AsyncIterator[list[Record]]:
    """The records of a partition below `end`, in batches.

    A partition without any is not even assigned: the client, stopped before it fetched from its partition, hangs.
    """
    if start >= end:
        return
    consumer.assign([tp])
    consumer.seek(tp, start)
    while await consumer.position(tp) < end:
        polled = await consumer.getmany(tp, timeout_ms=int(PATIENCE_S * 1000), max_records=5_000)
        if not polled:
            raise ReplayTimeout(f"{tp.topic}/{tp.partition}: nothing came for {PATIENCE_S:.0f} s, {end} not reached")
        yield [record for records in polled.values() for record in records if record.offset < end]
