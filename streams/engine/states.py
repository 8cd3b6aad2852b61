"""The states of one fold in memory, and how events change them: the same code for the live engine and for replays."""

from collections.abc import Iterable, Set
from typing import Any, Generic, NamedTuple

import msgspec

from streams.engine.fold import At, Fold, S, encode

Name = tuple[int, str]
"""Partition and key of a state."""

Skipped = tuple[str, str, int, int]
"""A fold, and topic, partition and offset of an event that it is not to take."""


class Entry(msgspec.Struct, Generic[S], gc=False):
    """One state; `version` counts its changes, of which `stored` are in the database. `size` is that of its JSON when
    it was last read or written."""

    state: S | None = None
    version: int = 0
    touched_ms: int = 0
    stored: int = 0
    size: int = 0


class Change(msgspec.Struct, gc=False):
    """An event for the state of a key."""

    name: Name
    event: object
    at: At


class Written(NamedTuple):
    """A state that has to be written, as JSON; `new`: it is not in the database."""

    name: Name
    entry: Entry[Any]
    text: str
    new: bool


class FoldFailed(Exception):
    """A fold raised on an event, which is a defect of the fold. The message says what."""

    def __init__(self, fold: str, at: At, error: Exception) -> None:
        super().__init__(f"fold {fold}: {type(error).__name__}: {error}")
        self.fold, self.at = fold, at


class Effects:
    """What folds say besides their states (`streams.engine.fold.Out`)."""

    def __init__(self) -> None:
        self.derived: dict[str, list[Change]] = {}
        self.rows: dict[str, list[tuple[object, ...]]] = {}
        self._at = At("", 0, 0, 0, "")

    def begin(self, at: At) -> None:
        """The event from which the next effects come."""
        self._at = at

    def derive(self, fold: str, key: str, event: object) -> None:
        self.derived.setdefault(fold, []).append(Change((self._at.part, key), event, self._at))

    def row(self, table: str, row: tuple[object, ...]) -> None:
        self.rows.setdefault(table, []).append(row)


class States(Generic[S]):
    """States by name, as many as fit; what changed stays until it is `kept`."""

    def __init__(self, fold: Fold[S]) -> None:
        self.fold = fold
        self._entries: dict[Name, Entry[S]] = {}
        self._changed: dict[Name, Entry[S]] = {}
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def missing(self, names: Iterable[Name]) -> list[Name]:
        """Those that are not in memory."""
        entries = self._entries
        return [name for name in dict.fromkeys(names) if name not in entries]

    def put(self, name: Name, version: int, text: str) -> None:
        """A state as it is stored."""
        self.bytes += len(text)
        self._entries[name] = Entry(self.fold.decode(text), version, stored=version, size=len(text))

    def apply(self, changes: Iterable[Change], out: Effects, passed_over: Set[Skipped] = frozenset()) -> None:
        """Applies the changes in this order, but for events that are passed over.

        A state that is not in memory does not exist yet. Raises `FoldFailed`; the states are then spoilt.
        """
        fold, entries, changed, apply = self.fold, self._entries, self._changed, self.fold.apply
        for change in changes:
            name, at = change.name, change.at
            if passed_over and (fold.name, *at[:3]) in passed_over:
                continue
            entry = entries.pop(name, None) or Entry()
            entries[name] = entry  # the newest last
            out.begin(at)
            try:
                state = apply(entry.state, change.event, at, out)
            except Exception as error:
                raise FoldFailed(fold.name, at, error) from error
            if state is not None:
                entry.state = state
                entry.version += 1
                entry.touched_ms = max(at.time_ms, entry.touched_ms)
                changed[name] = entry

    def changed(self) -> list[Written]:
        """What has to be written."""
        return [
            Written(name, entry, encode(entry.state), entry.stored == 0)
            for name, entry in self._changed.items()
            if entry.state is not None
        ]

    def kept(self, written: Iterable[Written], most: int, most_bytes: int) -> None:
        """What was written is unchanged from now on; the longest unused are forgotten where there are too many."""
        self._changed.clear()
        for _, entry, text, _ in written:
            self.bytes += len(text) - entry.size
            entry.size, entry.stored = len(text), entry.version
        for name in self._beyond(most, most_bytes):
            self.bytes -= self._entries.pop(name).size

    def _beyond(self, most: int, most_bytes: int) -> list[Name]:
        """The longest unused ones that are too many, found in one go: a dictionary that lost its first entries looks
        for the next one over all of their places."""
        names, count, size = [], len(self._entries), self.bytes
        for name, entry in self._entries.items():
            if count <= most and size <= most_bytes:
                break
            names.append(name)
            count, size = count - 1, size - entry.size
        return names

    def forget(self, part: int | None = None) -> None:
        """Forgets all states, or those of a partition."""
        if part is None:
            self._entries.clear()
            self._changed.clear()
            self.bytes = 0
            return
        for name in [name for name in self._entries if name[0] == part]:
            self.bytes -= self._entries.pop(name).size
            self._changed.pop(name, None)

    def items(self) -> Iterable[tuple[Name, Entry[S]]]:
        """All that is in memory."""
        return self._entries.items()


AnyFold = Fold[Any]
AnyStates = States[Any]


def in_order(folds: Iterable[AnyFold]) -> list[AnyFold]:
    """Parents before those to which they derive. Raises `ValueError` when a parent is missing or is its own."""
    left = {fold.name: fold for fold in folds}
    ordered: list[AnyFold] = []
    while left:
        ready = [fold for fold in left.values() if not fold.parent or fold.parent in {done.name for done in ordered}]
        if not ready:
            raise ValueError(f"folds without their parent: {', '.join(left)}")
        ordered += [left.pop(fold.name) for fold in ready]
    return ordered


def root_of(fold: AnyFold, folds: dict[str, AnyFold]) -> AnyFold:
    """The fold whose offsets this one's states move with."""
    while fold.parent:
        fold = folds[fold.parent]
    return fold
