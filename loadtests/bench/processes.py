"""What each process of a stack uses, from /proc: CPU seconds and memory (PSS), children included."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from loadtests.bench.problems import BenchError

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")


def supervised(data_dir: Path) -> dict[str, int]:
    """The process ids of a native stack by name: the children of the supervisor of its data folder.

    Our programs carry their name in OBSERVATORY_INSTANCE, the services run in a folder of their name.
    """
    try:
        supervisor = int((data_dir / "supervisord.pid").read_text())
    except (FileNotFoundError, ValueError):
        raise BenchError(f"no stack runs in {data_dir}") from None
    return {_name(pid): pid for pid in sorted(_children().get(supervisor, []))}


def cpu_seconds(processes: Mapping[str, int]) -> dict[str, float]:
    """CPU seconds since each process began, with its children, those that have ended included."""
    children = _children()
    return {name: sum(_cpu(each) for each in _family(pid, children)) for name, pid in processes.items()}


def memory_bytes(processes: Mapping[str, int]) -> dict[str, int]:
    """The memory of each process and its children; pages that several share are divided among them (PSS)."""
    children = _children()
    return {name: sum(_pss(each) for each in _family(pid, children)) for name, pid in processes.items()}


def _name(pid: int) -> str:
    environment = (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    instance = next((entry for entry in environment if entry.startswith(b"OBSERVATORY_INSTANCE=")), None)
    return instance.partition(b"=")[2].decode() if instance else (PROC / str(pid) / "cwd").readlink().name


def _family(pid: int, children: Mapping[int, list[int]]) -> Iterator[int]:
    yield pid
    for child in children.get(pid, []):
        yield from _family(child, children)


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for folder in PROC.glob("[0-9]*"):
        stat = _stat(int(folder.name))
        if stat:
            found.setdefault(int(stat[1]), []).append(int(folder.name))
    return found


def _cpu(pid: int) -> float:
    """User and system time, its own and that of the children it has waited for."""
    return sum(map(int, _stat(pid)[11:15])) / TICKS


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, the state first; empty when the process has ended."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _pss(pid: int) -> int:
    try:
        rollup = (PROC / str(pid) / "smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    stated = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
    return int(stated.group(1)) * 1024 if stated else 0
