"""Ports on loopback: whether one is free, free ones to take, and who holds one."""

from __future__ import annotations

import os
import random
import socket
from dataclasses import dataclass
from pathlib import Path

_LISTENING = "0A"
_OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")


@dataclass(frozen=True)
class Holder:
    """A process that listens on a port."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"pid {self.pid} ({self.command[:80]})"


def free_ports(count: int) -> list[int]:
    """Different ports that nobody held a moment ago.

    They lie below the range that the kernel gives to outgoing connections: from there a client could take the port of
    a server that is being restarted, or even connect to itself.
    """
    lowest_outgoing = int(_OUTGOING.read_text().split()[0])
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(10_000, lowest_outgoing)
        if port not in found and is_free(port):
            found.append(port)
    return found


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def holder(port: int) -> Holder | None:
    """The process that listens on a port; None when there is none or it belongs to somebody else."""
    inodes = {f"socket:[{line[9]}]" for line in _listening() if int(line[1].rpartition(":")[2], 16) == port}
    for folder in Path("/proc").glob("[0-9]*"):
        if inodes & set(_open_files(folder)):
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            return Holder(int(folder.name), command.strip())
    return None


def _listening() -> list[list[str]]:
    tables = [
        path.read_text().splitlines()[1:] for path in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")) if path.exists()
    ]
    rows = [line.split() for table in tables for line in table]
    return [row for row in rows if row[3] == _LISTENING]


def _open_files(folder: Path) -> list[str]:
    try:
        return [os.readlink(link) for link in (folder / "fd").iterdir()]
    except OSError:  # it ended, or belongs to somebody else
        return []
