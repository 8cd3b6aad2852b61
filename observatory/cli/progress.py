"""A bar on stderr for what takes a while, only where somebody looks at it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from observatory.cli.output import stderr

Advance = Callable[[int], None]
"""Is told how much is done."""


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Advance]:
    """A bar with that caption; None: nobody knows how much there is."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=stderr(), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)
