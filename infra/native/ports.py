"""Ports on loopback: whether one is free, free ones to take, and who holds one."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from pathlib import Path

_LISTENING = "0A"


def free_ports(count: int) -> list[int]:
    """Different ports that nobody held a moment ago, outside the range from which the kernel serves others."""
    with ExitStack() as held:
        return [held.enter_context(_bound(0)).getsockname()[1] for _ in range(count)]


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    try:
        _bound(port).close()
    except OSError:
        return False
    return True


def holder(port: int) -> str | None:
    """The process that listens on a port, as "pid 123 (java ...)"; None when it cannot be seen."""
    inodes = {f"socket:[{line[9]}]" for line in _listening() if int(line[1].rpartition(":")[2], 16) == port}
    for folder in Path("/proc").glob("[0-9]*"):
        if inodes & set(_open_files(folder)):
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            return f"pid {folder.name} ({command.strip()[:80]})"
    return None


def _bound(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        raise
    return listener


def _listening() -> list[list[str]]:
    tables = [path.read_text().splitlines()[1:] for path in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")) if path.exists()]
    rows = [line.split() for table in tables for line in table]
    return [row for row in rows if row[3] == _LISTENING]


def _open_files(folder: Path) -> list[str]:
    try:
        return [os.readlink(link) for link in (folder / "fd").iterdir()]
    except OSError:  # it ended, or belongs to somebody else
        return []
