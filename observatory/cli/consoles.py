"""The console that commands and their help print to."""

from rich.console import Console


class Output(Console):
    """Standard output. When its reader has gone the command ends and has not failed: `observatory.cli.main` is told."""

    def on_broken_pipe(self) -> None:
        """Instead of rich's own, which ends the process with 1. Raises `BrokenPipeError`."""
        raise BrokenPipeError
