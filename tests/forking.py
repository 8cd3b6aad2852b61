"""Our programs as processes of their own, without importing them each time.

Importing takes most of the time of most of them: two seconds of CPU for a chat worker, whose SDKs are large. A process
that has done it forks for each: the child gets arguments, environment and files of its own, and from there on is what
`python -m MODULE` would be. It may be signalled and killed as any other.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import gc
import importlib.util
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

import orjson

CHECKOUT = Path(__file__).resolve().parents[1]
STARTING_S = 60.0
RUNNING_S = 60.0
LONGEST_MESSAGE = 150_000
COMMAND_LINE = "observatory.cli.main"


class Program:
    """A program that was started, with what `subprocess.Popen` has: `returncode` is there once its end is known."""

    def __init__(self, module: str, arguments: Sequence[str], environment: Mapping[str, str], files: Sequence[int]):
        self._order = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._order.connect(_address())
        order = {"module": module, "arguments": arguments, "environment": dict(environment)}
        socket.send_fds(self._order, [orjson.dumps(order)], list(files))
        self._order.settimeout(STARTING_S)
        self.pid = int(self._order.recv(16))
        self.returncode: int | None = None

    def send_signal(self, number: signal.Signals) -> None:
        """Sends a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._ended_within(0)

    def wait(self, timeout: float) -> int:
        """As `poll`, but waits for the end. Raises `subprocess.TimeoutExpired`."""
        code = self._ended_within(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
        return code

    async def ended(self) -> int:
        """As `wait`, for as long as it takes."""
        while (code := self.poll()) is None:  # noqa: ASYNC110 - another process sets no event
            await asyncio.sleep(0.01)
        return code

    def _ended_within(self, seconds: float) -> int | None:
        if self.returncode is None and select.select([self._order], [], [], seconds)[0]:
            self.returncode = int(self._order.recv(16))
            self._order.close()
        return self.returncode


def start(module: str, environment: Mapping[str, str], stderr: int = 2) -> Program:
    """Starts `python -m MODULE` with nothing to read; what it says goes to a file, else where our own errors go."""
    with open(os.devnull, "rb") as nothing:
        return Program(module, (), environment, (nothing.fileno(), stderr, stderr))


def run(arguments: Sequence[str], environment: Mapping[str, str], stdin: bytes) -> tuple[int, bytes, bytes]:
    """Runs `observatory` and waits for it: exit code, standard output, standard error. Raises `TimeoutExpired`."""
    reader, writer = os.pipe()
    with TemporaryFile() as out, TemporaryFile() as err:
        program = Program(COMMAND_LINE, arguments, environment, (reader, out.fileno(), err.fileno()))
        os.close(reader)
        with suppress(BrokenPipeError), open(writer, "wb") as given:  # it may end without having read
            given.write(stdin)
        code = program.wait(RUNNING_S)
        out.seek(0)
        err.seek(0)
        return code, out.read(), err.read()


@functools.cache
def _address() -> str:
    """Where the process that forks takes orders. It is started when first asked for, and ends with ours."""
    folder = TemporaryDirectory(prefix="forking-")
    address = f"{folder.name}/orders.sock"
    # It ends when there is nobody to write to it, however we ended.
    process = subprocess.Popen([sys.executable, "-m", __name__, address], cwd=CHECKOUT, stdin=subprocess.PIPE)
    atexit.register(folder.cleanup)
    atexit.register(process.communicate)
    end = time.monotonic() + STARTING_S
    while not Path(address).exists():
        assert process.poll() is None, "programs cannot be forked"
        assert time.monotonic() < end, f"not within {STARTING_S} s: a process that forks programs"
        time.sleep(0.02)
    return address


@functools.cache
def _import(module: str) -> None:
    """All that a program imports, before the first of its kind is forked."""
    spec = importlib.util.find_spec(module)
    assert spec is not None, f"there is no {module}"
    main = importlib.import_module(f"{module}.__main__" if spec.submodule_search_locations else module)
    if module == COMMAND_LINE:
        for commands in main.COMMANDS.values():
            for name in commands:
                importlib.import_module(f"observatory.cli.{name}")
    del sys.modules[main.__name__]  # it runs in each child anew
    gc.collect()
    gc.freeze()


def _serve(address: str) -> None:
    """Takes orders until its standard input ends. In the child that carries one out it raises `SystemExit`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait for the children
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(f"{address}.unfinished")
        listener.listen(64)
        Path(f"{address}.unfinished").rename(address)
        while True:
            if sys.stdin in select.select([listener, sys.stdin], [], [])[0]:
                return
            connection, _ = listener.accept()
            message, files, _, _ = socket.recv_fds(connection, LONGEST_MESSAGE, 3)
            order = orjson.loads(message)
            _import(order["module"])
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                child = os.fork()
                if child == 0:
                    connection.close()
                    listener.close()
                    _become(order, files)
                    runpy.run_module(order["module"], run_name="__main__", alter_sys=True)
                    sys.exit(0)
                for file in files:
                    os.close(file)
                connection.send(str(child).encode())
                _, status = os.waitpid(child, 0)
                with suppress(BrokenPipeError):
                    connection.send(str(os.waitstatus_to_exitcode(status)).encode())
                os._exit(0)
            for file in files:
                os.close(file)
            connection.close()


def _become(order: dict[str, object], files: Sequence[int]) -> None:
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    environment, arguments = order["environment"], order["arguments"]
    assert isinstance(environment, dict)
    assert isinstance(arguments, list)
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv[1:] = arguments


if __name__ == "__main__":
    _serve(sys.argv[1])
