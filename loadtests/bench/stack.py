"""The stack that is measured: one of our own, fresh, on free ports, beside whatever else runs on the machine.

Kafka and PostgreSQL are started as the native stack starts them, the programs by `observatory up` with the settings
that point there, as a user would do it.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.native import stack as native
from infra.native.ports import free_ports, is_free
from loadtests.bench.problems import BenchError
from loadtests.bench.processes import supervised

OBSERVATORY = (sys.executable, "-m", "observatory.cli.main")
COMMAND_S = 120
QUIET_S = 30
METRICS_PORTS = range(61)
"""`observatory up` numbers the metrics ports of its programs from OBSERVATORY_METRICS_PORT on."""


@dataclass(frozen=True)
class Stack:
    """A running stack and how it is reached."""

    services: native.StackSpec
    programs_dir: Path
    http_port: int
    metrics_port: int
    simulator_port: int
    http_host: str = "127.0.0.1"

    @property
    def kafka(self) -> str:
        """host:port of the broker."""
        return f"127.0.0.1:{self.services.kafka_port}"

    @property
    def database_url(self) -> str:
        """The address of the database."""
        return f"postgresql://observatory@127.0.0.1:{self.services.postgres_port}/observatory"

    @property
    def data_dir(self) -> Path:
        """Where Kafka and PostgreSQL write."""
        return self.services.data_dir

    def processes(self) -> dict[str, int]:
        """The process ids by name. Raises `BenchError` when one of the two halves does not run."""
        return {**supervised(self.data_dir), **supervised(self.programs_dir)}

    def up(self) -> None:
        """Starts every program. Raises `BenchError` with what the command said."""
        self._observatory("up")

    def only_ledgers(self, count: int) -> None:
        """Runs so many ledgers and no other workers. Raises `BenchError` with what the command said."""
        others = dict.fromkeys(("OBSERVATORY_STREAMS", "OBSERVATORY_CHAT_WORKERS", "OBSERVATORY_GATEWAYS"), "0")
        self._observatory("up", OBSERVATORY_LEDGERS=str(count), **others)

    def only_streams(self, names: str) -> None:
        """Runs one stream worker with these processors (none: no worker) and no other worker. Raises `BenchError`."""
        others = dict.fromkeys(("OBSERVATORY_LEDGERS", "OBSERVATORY_CHAT_WORKERS", "OBSERVATORY_GATEWAYS"), "0")
        self._observatory("up", OBSERVATORY_STREAMS="1" if names else "0", OBSERVATORY_STREAMS_ONLY=names, **others)

    def down(self) -> None:
        """Stops the programs. Raises `BenchError`."""
        self._observatory("down")

    def verified_calls(self) -> int:
        """How many calls the provider billed, all of which are in the books. Raises `BenchError` when they are not."""
        proof = json.loads(self._observatory("verify", "--wait", f"{QUIET_S}s", "--json"))
        return int(proof["legs"]["bill"]["calls"])

    def repriced_calls(self, since: str, until: str) -> int:
        """How many calls a job over a period has costed again. Raises `BenchError`."""
        report = json.loads(self._observatory("reprice", "--since", since, "--until", until, "--json"))
        return int(report["total"]["calls"] - report["total"]["unpriced_after"])

    def _observatory(self, *arguments: str, **settings: str) -> str:
        environment = {
            **os.environ,
            "OBSERVATORY_DATA_DIR": str(self.programs_dir),
            "OBSERVATORY_KAFKA": self.kafka,
            "OBSERVATORY_DATABASE_URL": self.database_url,
            "OBSERVATORY_SIMULATOR_URL": f"http://127.0.0.1:{self.simulator_port}",
            "OBSERVATORY_HTTP_HOST": self.http_host,
            "OBSERVATORY_HTTP_PORT": str(self.http_port),
            "OBSERVATORY_METRICS_PORT": str(self.metrics_port),
            **settings,
        }
        done = subprocess.run(
            [*OBSERVATORY, *arguments], env=environment, capture_output=True, text=True, timeout=COMMAND_S, check=False
        )
        if done.returncode != 0:
            said = done.stderr.strip() or done.stdout.strip()
            raise BenchError(f"observatory {' '.join(arguments)}: {said[-3000:]}")
        return done.stdout


@contextmanager
def fresh_stack() -> Iterator[Stack]:
    """Starts a stack and removes it with its data at the end. Raises `BenchError`."""
    with tempfile.TemporaryDirectory(dir=_parent(), prefix="bench-") as folder:
        os.chmod(folder, 0o755)  # noqa: S103  # PostgreSQL, which runs as another user where we are root, must enter
        stack = _describe(Path(folder))
        try:
            native.prepare(stack.services)
            native.start(stack.services)
            stack.up()
            yield stack
        except native.StackError as problem:
            raise BenchError(str(problem)) from problem
        finally:
            stack.down()
            native.stop(stack.services)
            shutil.rmtree(stack.data_dir)


def _describe(folder: Path) -> Stack:
    broker, controller, database, http, simulator = free_ports(5)
    return Stack(
        services=native.StackSpec(folder / "services", broker, controller, database),
        programs_dir=folder / "programs",
        http_port=http,
        metrics_port=_free_range(),
        simulator_port=simulator,
    )


def _free_range() -> int:
    while True:
        (first,) = free_ports(1)
        if all(is_free(first + number) for number in METRICS_PORTS):
            return first


def _parent() -> Path:
    """The folder that holds the data of stacks of this user: the same disk as theirs."""
    parent = Path("/var/lib/llm-observatory") if os.geteuid() == 0 else Path(tempfile.gettempdir())
    parent.mkdir(parents=True, exist_ok=True)
    return parent
