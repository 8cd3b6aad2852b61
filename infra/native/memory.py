"""What a process and its children hold in memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")


def memory_bytes(pid: int) -> int:
    """The memory of a process and all its descendants, pages that several share counted once (PSS)."""
    children: dict[int, list[int]] = {}
    for process, parent in _parents():
        children.setdefault(parent, []).append(process)
    total, waiting = 0, [pid]
    while waiting:
        process = waiting.pop()
        total += _proportional_bytes(process)
        waiting += children.get(process, [])
    return total


def _parents() -> Iterator[tuple[int, int]]:
    for folder in _PROC.iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            # The name in parentheses may itself hold spaces and parentheses.
            yield int(folder.name), int(stat.rpartition(")")[2].split()[1])


def _proportional_bytes(pid: int) -> int:
    try:
        rollup = (_PROC / str(pid) / "smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    stated = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
    return int(stated.group(1)) * 1024 if stated else 0
