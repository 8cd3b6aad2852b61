"""Steps of an installation: lines with the seconds that each took, and programs whose output goes to a log.

Standard library only: it runs before the project's own environment exists.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

QUOTED_LINES = 15


class Failed(RuntimeError):
    """The installation cannot go on; the message is for the user."""


class Installer:
    """Says what is done and runs programs, all output of which is in one log file; steps may overlap in time."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._lock = threading.Lock()
        self._unfinished: str | None = None

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """One line, with the seconds at its end; a line of its own for the end if something else was said since."""
        with self._lock:
            self._begin_line()
            print(f"  {title} ...", end="", flush=True)
            self._unfinished = title
        started = time.monotonic()
        try:
            yield
        except BaseException:
            self._end(title, "failed")
            raise
        self._end(title, f"{time.monotonic() - started:.1f} s")

    def say(self, line: str) -> None:
        """Print a line."""
        with self._lock:
            self._begin_line()
            print(f"  {line}", flush=True)

    def run(self, *command: str, cwd: Path | None = None, environment: Mapping[str, str] | None = None) -> None:
        """Run a program without a terminal; raises `Failed` with the end of its output."""
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", **(environment or {})},
            check=False,
        )
        called, said = " ".join(command), done.stdout.decode(errors="replace")
        with self._lock, self.log.open("a") as log:
            log.write(f"\n$ {called}\n{said}")
        if done.returncode != 0:
            last = "\n".join("    " + line for line in said.splitlines()[-QUOTED_LINES:])
            raise Failed(f"`{called}` failed:\n{last}\n  The whole log: {self.log}")

    def _end(self, title: str, how: str) -> None:
        with self._lock:
            if self._unfinished == title:
                print(f" {how}", flush=True)
            else:
                self._begin_line()
                print(f"  {title}: {how}", flush=True)
            self._unfinished = None

    def _begin_line(self) -> None:
        if self._unfinished is not None:
            print(flush=True)
        self._unfinished = None


def all_at_once(parts: Sequence[Callable[[], None]]) -> None:
    """Do every part to its end, whatever becomes of the others; raises `Failed` with what all that failed said."""
    failures: list[str] = []

    def do(part: Callable[[], None]) -> None:
        try:
            part()
        except Failed as failure:
            failures.append(str(failure))

    with ThreadPoolExecutor(max_workers=max(1, len(parts))) as pool:
        for done in [pool.submit(do, part) for part in parts]:
            done.result()
    if failures:
        raise Failed("\n".join(failures))


def main(work: Callable[[Installer], None]) -> int:
    """Do the work of a program; its exit code. What fails is said, and its log kept."""
    descriptor, log = tempfile.mkstemp(prefix="llm-observatory-install-", suffix=".log")
    os.close(descriptor)
    try:
        work(Installer(Path(log)))
    except Failed as failure:
        print(failure)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; the next run goes on from here.")
        return 130
    os.unlink(log)
    return 0
