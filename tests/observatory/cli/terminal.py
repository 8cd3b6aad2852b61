"""The command line on a terminal of its own."""

from __future__ import annotations

import asyncio
import os
import pty
import struct
import sys
import termios
from collections.abc import Mapping
from dataclasses import dataclass
from fcntl import ioctl

from tests.observatory.cli.conftest import CHECKOUT

PATIENCE_S = 40.0
ROWS = 24


@dataclass
class Terminal:
    """A process that sees a terminal, what it has written, and the keyboard."""

    process: asyncio.subprocess.Process
    keyboard: int
    shown: str = ""

    @classmethod
    async def running(cls, *arguments: str, columns: int, environment: Mapping[str, str]) -> Terminal:
        """Starts `observatory` with these arguments."""
        ours, theirs = pty.openpty()
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "observatory.cli.main", *arguments,
            cwd=CHECKOUT, stdin=theirs, stdout=theirs, stderr=theirs,
            env={**os.environ, "TERM": "xterm", **environment},
        )  # fmt: skip
        os.close(theirs)
        return cls(process, ours)

    def press(self, keys: str) -> None:
        """Types."""
        os.write(self.keyboard, keys.encode())

    async def until(self, text: str) -> None:
        """Reads until this was written."""
        async with asyncio.timeout(PATIENCE_S):
            while text not in self.shown:
                assert await self._read(), self.shown

    async def until_ended(self) -> str:
        """All that was written, when it has ended well."""
        async with asyncio.timeout(PATIENCE_S):
            while await self._read():
                pass
            assert await self.process.wait() == 0, self.shown
        os.close(self.keyboard)
        return self.shown

    async def _read(self) -> bool:
        try:
            piece = await asyncio.to_thread(os.read, self.keyboard, 65_536)
        except OSError:  # how a terminal says that nobody writes to it any more
            return False
        self.shown += piece.decode(errors="replace")
        return bool(piece)
