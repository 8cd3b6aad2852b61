"""Wait for something to become true, and say what its log says when it does not."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


class StackError(RuntimeError):
    """The stack cannot do what was asked; the message tells the user why and what to look at."""


def wait_until(condition: Callable[[], bool], *, what: str, timeout_s: float, log: Path | None = None) -> None:
    """Poll until the condition holds; raises `StackError` that quotes the end of the log after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise StackError(f"{what} after {timeout_s:g} s." + (_quoted(log) if log else ""))
        time.sleep(0.05)


def _quoted(log: Path) -> str:
    if not log.is_file():
        return f" It has written no log ({log})."
    last = log.read_text(errors="replace").splitlines()[-12:]
    return f" The end of {log}:\n" + "\n".join(f"    {line}" for line in last)
