"""One batch of records, decoded: what it states (facts, adjustments), what could not be read, the offsets it moves."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from observatory.adapters.kafka import Record, Unreadable
from observatory.adapters.postgres.adjustments import Adjustment
from observatory.adapters.postgres.ledger import Fact, Move, RollupDelta, encode_facts
from streams.ledger.adjustments import read_adjustment, states_adjustment
from streams.ledger.decode import read_fact
from streams.ledger.rollups import deltas

LOG_APPEND_TIME = 1
STEP = 100
"""Records that are decoded or encoded before the transaction in flight gets its turn on the event loop."""

Bad = tuple[Record, str]
Stated = Fact | Adjustment


class Prepared(NamedTuple):
    """What is written of new facts, worked out while another transaction is under way."""

    encoded: Sequence[bytes]
    """The facts in pieces, as the database takes them."""
    changes: Sequence[RollupDelta]
    """What they add to the rollups if none of them was there."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records ascending within each partition, and what is to be done with them.

    A call stands in `first` or in `later`, once, in its highest revision; `bad` records go to the dead letters with
    their reason.
    """

    records: Sequence[Record]
    moves: Sequence[Move]
    first: Sequence[Fact]
    later: Sequence[Fact]
    adjustments: Sequence[Adjustment]
    bad: Sequence[Bad]
    ahead: Prepared | None = None

    def prepared(self) -> Prepared:
        """`first` as it is written, now if it was not done ahead. Raises `UnicodeEncodeError` for what is no text."""
        return self.ahead or Prepared([encode_facts(self.first)], deltas(self.first))


def new_batch(records: Sequence[Record], moves: Sequence[Move], stated: Sequence[Stated], bad: Sequence[Bad]) -> Batch:
    """The batch of records that state these facts and adjustments."""
    newest = highest_revisions([one for one in stated if isinstance(one, Fact)])
    first = [fact for fact in newest if fact.revision == 1]
    later = [fact for fact in newest if fact.revision > 1]
    adjustments = [one for one in stated if isinstance(one, Adjustment)]
    return Batch(records, moves, first, later, adjustments, bad)


async def read_batch(records: Sequence[Record], moves: Sequence[Move], retention_days: int) -> Batch:
    """The batch of these records, decoded and prepared while a transaction in flight goes on."""
    stated: list[Stated] = []
    bad: list[Bad] = []
    for start in range(0, len(records), STEP):
        some, some_bad = read_facts(records[start : start + STEP], retention_days)
        stated += some
        bad += some_bad
        await asyncio.sleep(0)
    batch = new_batch(records, moves, stated, bad)
    try:
        return replace(batch, ahead=await _prepare(batch.first))
    except UnicodeEncodeError:
        return batch  # Who writes it comes upon this again, and looks for the fact at fault.


async def _prepare(facts: Sequence[Fact]) -> Prepared:
    encoded: list[bytes] = []
    for start in range(0, len(facts), STEP):
        encoded.append(encode_facts(facts[start : start + STEP]))
        await asyncio.sleep(0)
    changes: list[RollupDelta] = []
    for _, of_partition in groupby(facts, attrgetter("topic_partition")):
        # Rows of the rollups are of one partition, so what each partition changes can be worked out by itself.
        changes += deltas(of_partition)
        await asyncio.sleep(0)
    return Prepared(encoded, changes)


def read_facts(records: Sequence[Record], retention_days: int) -> tuple[list[Stated], list[Bad]]:
    """The facts and adjustments that the records state, and the records that state none with the reason."""
    stated: list[Stated] = []
    bad: list[Bad] = []
    for record in records:
        try:
            stated.append(read_fact(record, retention_days))
        except Unreadable as error:
            # Asked only of what is no call: calls, which nearly all records are, pay nothing for it.
            _read_other(record, str(error), stated, bad)
    return stated, bad


def _read_other(record: Record, no_fact: str, stated: list[Stated], bad: list[Bad]) -> None:
    if not states_adjustment(record):
        bad.append((record, no_fact))
        return
    try:
        stated.append(read_adjustment(record))
    except Unreadable as error:
        bad.append((record, str(error)))


def highest_revisions(facts: Sequence[Fact]) -> list[Fact]:
    """Each call once, in its highest revision."""
    newest: dict[object, Fact] = {}
    for fact in facts:
        # The number of a UUID is cheaper to hash than the UUID; a call that changes its started_at is another fact.
        name: object = fact.call_id.int
        known = newest.get(name)
        if known is not None and known.started_at != fact.started_at:
            name = (name, fact.started_at)
            known = newest.get(name)
        if known is None or known.revision < fact.revision:
            newest[name] = fact
    return list(newest.values())


def move_past(last: Record, log_epoch: int, expected: int) -> Move:
    """The step of a partition from the offset that is stored to the one after its last record."""
    appended = datetime.fromtimestamp(last.timestamp / 1000, UTC)
    known_again = appended if last.timestamp_type == LOG_APPEND_TIME else None
    return Move(last.partition, log_epoch, expected, last.offset + 1, known_again, appended)


def halves(batch: Batch, retention_days: int) -> tuple[Batch, Batch]:
    """A batch as two, to be written one after the other."""
    middle = len(batch.records) // 2
    first = _part(batch.records[:middle], batch.moves, retention_days)
    reached = {move.part: move.next_offset for move in first.moves}
    rest = [move._replace(expected=reached.get(move.part, move.expected)) for move in batch.moves]
    return first, _part(batch.records[middle:], rest, retention_days)


def _part(records: Sequence[Record], moves: Sequence[Move], retention_days: int) -> Batch:
    last = {record.partition: record for record in records}
    own = [move_past(last[m.part], m.log_epoch, m.expected) for m in moves if m.part in last]
    facts, bad = read_facts(records, retention_days)
    return new_batch(records, own, facts, bad)
