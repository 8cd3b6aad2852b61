"""The states of one fold in memory, and how events change them: the same code for the live engine and for replays."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic

from streams.engine.fold import At, Fold, S, encode

Name = tuple[int, str]
"""Partition and key of a state."""


@dataclass(slots=True)
class Entry(Generic[S]):
    """One state; `version` counts its changes. `size` is that of its JSON when it was last read or written."""

    state: S | None = None
    version: int = 0
    touched_ms: int = 0
    changed: bool = False
    size: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """An event for the state of a key."""

    name: Name
    event: object
    at: At


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
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def missing(self, names: Iterable[Name]) -> list[Name]:
        """Those that are not in memory."""
        return [name for name in dict.fromkeys(names) if name not in self._entries]

    def put(self, name: Name, version: int, text: str) -> None:
        """A state as it is stored."""
        self.bytes += len(text)
        self._entries[name] = Entry(self.fold.decode(text), version, size=len(text))

    def apply(self, changes: Iterable[Change], out: Effects, skip: Callable[[str, At], bool]) -> None:
        """Applies the changes in this order, but for those events that `skip(fold, at)` names.

        A state that is not in memory does not exist yet. Raises `FoldFailed`; the states are then spoilt.
        """
        fold, entries, apply = self.fold, self._entries, self.fold.apply
        for change in changes:
            at = change.at
            if skip(fold.name, at):
                continue
            entry = entries.pop(change.name, None) or Entry()
            entries[change.name] = entry  # the newest last
            out.begin(at)
            try:
                state = apply(entry.state, change.event, at, out)
            except Exception as error:
                raise FoldFailed(fold.name, at, error) from error
            if state is not None:
                entry.state, entry.changed = state, True
                entry.version += 1
                entry.touched_ms = max(at.time_ms, entry.touched_ms)

    def changed(self) -> list[tuple[Name, Entry[S], str]]:
        """What has to be written, with its JSON."""
        found = [(name, entry) for name, entry in self._entries.items() if entry.changed and entry.state is not None]
        return [(name, entry, encode(entry.state)) for name, entry in found if entry.state is not None]

    def kept(self, written: Iterable[tuple[Name, Entry[S], str]], most: int, most_bytes: int) -> None:
        """What was written is unchanged from now on; the longest unused are forgotten where there are too many."""
        for _, entry, text in written:
            self.bytes += len(text) - entry.size
            entry.size, entry.changed = len(text), False
        while self._entries and (len(self._entries) > most or self.bytes > most_bytes):
            self.bytes -= self._entries.pop(next(iter(self._entries))).size

    def forget(self, part: int | None = None) -> None:
        """Forgets all states, or those of a partition."""
        if part is None:
            self._entries.clear()
            self.bytes = 0
            return
        for name in [name for name in self._entries if name[0] == part]:
            self.bytes -= self._entries.pop(name).size

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
