"""What a user is told when a command cannot go on: one line, and the exit code that goes with it."""

FAILED = 1
USAGE = 2


class Problem(Exception):
    """A command cannot go on, for a reason that the user can do something about; the message says what."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def wrong_usage(message: str) -> Problem:
    """A problem with what was typed or set (exit code 2)."""
    return Problem(message, USAGE)
