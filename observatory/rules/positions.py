"""Which offset of a partition may be committed: the first unfinished one, never past it."""


class OffsetTracker:
    """Offsets of one partition that were taken and not yet finished; they are taken in ascending order."""

    def __init__(self) -> None:
        self._unfinished: dict[int, None] = {}
        self._next = 0
        self._committed = -1

    def take(self, offset: int) -> None:
        """The record at `offset` is being worked on."""
        self._unfinished[offset] = None
        self._next = offset + 1

    def finish(self, offset: int) -> None:
        """The record at `offset` needs no more work. Finishing it twice changes nothing."""
        self._unfinished.pop(offset, None)

    @property
    def unfinished(self) -> int:
        """How many records are being worked on."""
        return len(self._unfinished)

    @property
    def span(self) -> int:
        """From the first unfinished record to the last one taken: what a restart would read again."""
        return self._next - self._position()

    def committable(self) -> int | None:
        """The offset to commit, or None when nothing changed since `committed` was last told."""
        position = self._position()
        return position if self._next and position != self._committed else None

    def committed(self, offset: int) -> None:
        """The broker holds this offset."""
        self._committed = offset

    def _position(self) -> int:
        return next(iter(self._unfinished), self._next)
