"""Runs folds once over their topics from the start, in memory: what their stored states must equal.

The same folds, the same reading, no Faust, no transaction: an independent way to the same states.
"""

import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition

from observatory.adapters.kafka import Record
from observatory.adapters.postgres.streams import Input
from streams.engine.applier import Arrived, arrive
from streams.engine.fold import encode
from streams.engine.states import AnyFold, AnyStates, Change, Effects, States, in_order

log = logging.getLogger(__name__)

PATIENCE_S = 60.0


@dataclass(slots=True)
class Replayed:
    """States by fold, partition and key, as `(version, JSON)`; `log_starts` tells where each topic's log begins now."""

    states: dict[str, dict[tuple[int, str], tuple[int, str]]] = field(default_factory=dict)
    log_starts: dict[tuple[str, int], int] = field(default_factory=dict)


class ReplayTimeout(Exception):
    """The broker does not deliver records that it has."""


async def replay(
    consumer: AIOKafkaConsumer, prefix: str, folds: Iterable[AnyFold], until: Mapping[Input, int]
) -> Replayed:
    """Reads each topic of the folds from its start up to the offset that each fold has applied.

    `consumer` belongs to no group. A fold and its children are given together. Raises `ReplayTimeout`, `KafkaError`.
    """
    ordered = in_order(folds)
    states: dict[str, AnyStates] = {fold.name: States(fold) for fold in ordered}
    result = Replayed()
    for part in sorted({source.part for source in until}):
        for topic in sorted({source.topic for source in until if source.part == part}):
            end = max(offset for source, offset in until.items() if (source.topic, source.part) == (topic, part))
            tp = TopicPartition(prefix + topic, part)
            start = (await consumer.beginning_offsets([tp]))[tp]
            result.log_starts[topic, part] = start
            async for records in _records(consumer, tp, start, end):
                arrived = [arrive(record, topic)[0] for record in records]
                for fold in ordered:
                    if any(topic == source.name for source in fold.inputs):
                        bound = until.get(Input(fold.sink, topic, part), 0)
                        _run(fold, states, ordered, [one for one in arrived if one.at.offset < bound])
    for fold in ordered:
        result.states[fold.name] = {
            name: (entry.version, encode(entry.state))
            for name, entry in states[fold.name].items()
            if entry.state is not None
        }
    return result


def _run(
    fold: AnyFold, states: Mapping[str, AnyStates], ordered: Sequence[AnyFold], arrived: Sequence[Arrived]
) -> None:
    for one in arrived:
        try:
            key = None if one.event is None else fold.key(one.event)
            if key is None:
                continue
            effects = Effects()
            states[fold.name].apply([Change((one.at.part, key), one.event, one.at)], effects, lambda *_: False)
            for child in ordered:
                if changes := effects.derived.pop(child.name, None):
                    states[child.name].apply(changes, effects, lambda *_: False)
        except Exception as error:
            # The live engine passes over what a fold cannot take, and so does this.
            log.warning("%s passes over %s: %s", fold.name, one.at, error)


async def _records(consumer: AIOKafkaConsumer, tp: TopicPartition, start: int, end: int) -> AsyncIterator[list[Record]]:
    """The records of a partition below `end`, in batches."""
    consumer.assign([tp])
    consumer.seek(tp, start)
    while await consumer.position(tp) < end:
        polled = await consumer.getmany(tp, timeout_ms=int(PATIENCE_S * 1000), max_records=5_000)
        if not polled:
            raise ReplayTimeout(f"{tp.topic}/{tp.partition}: nothing came for {PATIENCE_S:.0f} s, {end} not reached")
        yield [record for records in polled.values() for record in records if record.offset < end]
