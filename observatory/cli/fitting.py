"""Tables for terminals of any width: a number is shown whole or not at all, never cut."""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

LEAST_TEXT = 12
"""Texts may be folded down to this width."""
_BETWEEN = 2


class FittingTable(Table):
    """A table that leaves out its `expendable` columns, the first ones first, where the terminal is too narrow.

    It says which. Where that does not do either, it lists each row's names and values.
    """

    def __init__(self, *, title: str | None, expendable: Sequence[str]) -> None:
        super().__init__(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
        self.expendable = expendable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Renders what fits."""
        needed = [_needed(console, options, column) for column in self.columns]
        left_out: list[str] = []
        for name in (*self.expendable, None):
            kept = [index for index, column in enumerate(self.columns) if column.header not in left_out]
            if sum(needed[index] for index in kept) + _BETWEEN * (len(kept) - 1) <= options.max_width:
                yield from super(FittingTable, self._of(kept)).__rich_console__(console, options)
                if left_out:
                    named = ", ".join(left_out)
                    yield Text(f"No room for {named}: a wider terminal, a pipe or --json shows all.", style="dim")
                return
            if name is not None:
                left_out.append(name)
        yield from self._listed()

    def _of(self, kept: Sequence[int]) -> "FittingTable":
        """The table with these columns alone."""
        shown = copy(self)
        shown.columns = [replace(self.columns[index], _index=place) for place, index in enumerate(kept)]
        return shown

    def _listed(self) -> Iterator[Table | Text]:
        if self.title is not None:
            yield Text(str(self.title), style="italic")
        cells = [list(column.cells) for column in self.columns]
        for number, row in enumerate(self.rows):
            record = Table.grid(padding=(0, _BETWEEN))
            record.add_column(style="bold", overflow="fold")
            record.add_column(overflow="fold")
            for column, values in zip(self.columns, cells, strict=True):
                record.add_row(column.header, values[number], style=row.style)
            yield record
            yield Text()


def _needed(console: Console, options: ConsoleOptions, column: Column) -> int:
    """The least width in which a column can be read."""
    wide = options.update(max_width=10_000)
    whole = max(Measurement.get(console, wide, each).maximum for each in (column.header, *column.cells))
    return whole if column.no_wrap else min(whole, LEAST_TEXT)
