"""Fixtures of the command line's tests: topics and a database of a test's own, and the command line as a process."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from tests import forking
from tests.databases import new_database
from tests.observatory.cli.world import World
from tests.simulator import Simulator, running_simulator
from tests.stack import LiveStack
from tests.streams.ledger.ground import Ground, new_ground

CHECKOUT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Ran:
    """A command line that has ended."""

    code: int
    stdout: str
    stderr: str

    def json(self) -> object:
        """Its whole standard output as JSON."""
        return orjson.loads(self.stdout)

    def answer(self) -> dict[str, object]:
        """Its whole standard output as a JSON object."""
        found = self.json()
        assert isinstance(found, dict)
        return found

    def lines(self) -> list[object]:
        """Its standard output as JSON lines."""
        return [orjson.loads(line) for line in self.stdout.splitlines()]


Cli = Callable[..., Coroutine[None, None, Ran]]


async def run_cli(*arguments: str, environment: dict[str, str], stdin: bytes = b"") -> Ran:
    """Runs `observatory` with these arguments."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "observatory.cli.main", *arguments,
        cwd=CHECKOUT,
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        out, err = await process.communicate(stdin)
    return Ran(process.returncode or 0, out.decode(), err.decode())


@pytest.fixture(scope="module")
async def ground(stack: LiveStack) -> AsyncIterator[Ground]:
    async with new_ground(stack.kafka, await new_database(stack)) as own:
        yield own


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with running_simulator(tmp_path_factory.mktemp("bill")) as own:
        yield own


@pytest.fixture
def cli(ground: Ground, simulator: Simulator) -> Cli:
    """The command line on this module's topics, database and simulator, as a process for each run."""
    environment = {
        "OBSERVATORY_KAFKA": ground.settings.kafka.bootstrap,
        "OBSERVATORY_TOPIC_PREFIX": ground.settings.kafka.topic_prefix,
        "OBSERVATORY_DATABASE_URL": ground.settings.database_url,
        "OBSERVATORY_SIMULATOR_URL": simulator.url,
    }

    async def run(*arguments: str, stdin: bytes = b"") -> Ran:
        code, out, err = await asyncio.to_thread(forking.run, arguments, os.environ | environment, stdin)
        return Ran(code, out.decode(), err.decode())

    return run


@pytest.fixture
def world(ground: Ground, simulator: Simulator) -> World:
    """Books calls on this module's ground, which the command line sees."""
    return World(ground, simulator)
