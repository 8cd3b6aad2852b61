"""The command line as a process of its own for each run, without importing it each time.

Importing takes most of the time of most commands. A process that has done it forks for each run: the child gets the
run's arguments, environment and files, and ends as `python -m observatory.cli.main` does.
"""

import gc
import importlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

import orjson

from observatory.cli.main import COMMANDS, main

STARTING_S = 60.0
RUNNING_S = 60.0
LONGEST_MESSAGE = 150_000


@dataclass(frozen=True)
class Forked:
    """The process that has imported the command line, by the address at which it takes orders."""

    address: str

    def run(self, arguments: Sequence[str], environment: Mapping[str, str], stdin: bytes) -> tuple[int, bytes, bytes]:
        """Runs `observatory` and waits for it: exit code, standard output, standard error. Raises `TimeoutError`."""
        reader, writer = os.pipe()
        with TemporaryFile() as out, TemporaryFile() as err, _connected(self.address) as order:
            message = orjson.dumps({"arguments": arguments, "environment": dict(environment)})
            socket.send_fds(order, [message], [reader, out.fileno(), err.fileno()])
            os.close(reader)
            with suppress(BrokenPipeError), open(writer, "wb") as given:  # it may end without having read
                given.write(stdin)
            order.settimeout(RUNNING_S)
            code = int(order.recv(16))
            out.seek(0)
            err.seek(0)
            return code, out.read(), err.read()


@contextmanager
def forking(folder: Path, checkout: Path) -> Iterator[Forked]:
    """Starts that process, with its address in `folder`, and ends it."""
    address = str(folder / "cli.sock")
    process = subprocess.Popen([sys.executable, "-m", __name__, address], cwd=checkout, stdin=subprocess.DEVNULL)
    try:
        end = time.monotonic() + STARTING_S
        while not Path(address).exists():
            assert process.poll() is None, "the command line cannot be imported"
            assert time.monotonic() < end, f"not within {STARTING_S} s: the command line imported"
            time.sleep(0.02)
        yield Forked(address)
    finally:
        process.terminate()
        process.wait(10)


def _connected(address: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(address)
    return connection


def serve(address: str) -> None:
    """Takes orders for ever. In the child that runs one it raises `SystemExit`."""
    for commands in COMMANDS.values():
        for name in commands:
            importlib.import_module(f"observatory.cli.{name}")
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait for the children
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(f"{address}.unfinished")
        listener.listen(64)
        Path(f"{address}.unfinished").rename(address)
        while True:
            connection, _ = listener.accept()
            message, files, _, _ = socket.recv_fds(connection, LONGEST_MESSAGE, 3)
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                child = os.fork()
                if child == 0:
                    _become(message, files)
                    main()
                _, status = os.waitpid(child, 0)
                connection.send(str(os.waitstatus_to_exitcode(status)).encode())
                os._exit(0)
            for file in files:
                os.close(file)
            connection.close()


def _become(message: bytes, files: Sequence[int]) -> None:
    order = orjson.loads(message)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv[1:] = order["arguments"]


if __name__ == "__main__":
    serve(sys.argv[1])
