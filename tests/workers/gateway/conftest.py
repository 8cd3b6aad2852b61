"""Real gateways, each a process of its own, over topics and databases that only these tests use."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import asyncpg
import pytest
import pytest_asyncio

from infra.native.ports import free_ports
from observatory.adapters.kafka import create_topics
from observatory.adapters.postgres.setup import set_up
from observatory.adapters.settings import KafkaSettings
from tests import forking
from tests.databases import MIGRATIONS
from tests.forking import Program
from tests.stack import LiveStack
from tests.workers.gateway.responder import Responder

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Process:
    """A running gateway."""

    url: str
    process: Program
    log: Path

    def terminate(self) -> None:
        """Asks it to stop, as a supervisor does."""
        self.process.send_signal(signal.SIGTERM)


async def eventually(what: str, condition: Callable[[], Awaitable[bool]], timeout_s: float = 30) -> None:
    """Waits until the condition holds; fails with `what` when it does not in time."""
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout_s
    while not await condition():
        assert loop.time() < end, f"not within {timeout_s} s: {what}"
        await asyncio.sleep(0.05)


async def ready(url: str) -> bool:
    """Whether a gateway takes requests."""
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{url}/readyz") as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the gateways' logs go."""
    return tmp_path_factory.mktemp("gateways")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def topics(stack: LiveStack) -> KafkaSettings:
    """The broker, with topics that only these tests use."""
    settings = KafkaSettings.model_validate(
        {"OBSERVATORY_KAFKA": stack.kafka, "OBSERVATORY_TOPIC_PREFIX": "gateway-test."}
    )
    await create_topics(settings)
    return settings


@asynccontextmanager
async def running(kafka: KafkaSettings, database_url: str, log: Path, **environment: str) -> AsyncIterator[Process]:
    """A gateway that is ready."""
    (port,) = free_ports(1)
    process = start(kafka, database_url, port, log, **environment)
    gateway = Process(f"http://127.0.0.1:{port}", process, log)
    try:
        await eventually(f"ready, see {log}", lambda: ready(gateway.url))
        yield gateway
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 20)


def start(kafka: KafkaSettings, database_url: str, port: int, log: Path, **environment: str) -> Program:
    """A gateway's process."""
    variables = {
        "OBSERVATORY_KAFKA": kafka.bootstrap,
        "OBSERVATORY_TOPIC_PREFIX": kafka.topic_prefix,
        "OBSERVATORY_DATABASE_URL": database_url,
        "OBSERVATORY_HTTP_PORT": str(port),
        **environment,
    }
    with log.open("ab") as output:
        return forking.start("workers.gateway", os.environ | variables, output.fileno())


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def database_url(stack: LiveStack) -> str:
    """A database with all tables and without any API key."""
    await set_up(stack.database_url, MIGRATIONS)
    return stack.database_url


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def gateway(topics: KafkaSettings, database_url: str, logs: Path) -> AsyncIterator[Process]:
    """The gateway that most tests ask; nobody needs a key."""
    async with running(topics, database_url, logs / "gateway.log") as process:
        yield process


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def second_gateway(topics: KafkaSettings, database_url: str, logs: Path) -> AsyncIterator[Process]:
    """Another one over the same topics and database."""
    async with running(topics, database_url, logs / "second.log") as process:
        yield process


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def responder(topics: KafkaSettings) -> AsyncIterator[Responder]:
    """Answers what the gateways publish."""
    answering = Responder(topics)
    await answering.start()
    yield answering
    await answering.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client that keeps no connection: one that is closed as it is used again would fail any test at random."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        yield session


@pytest_asyncio.fixture(loop_scope="session")
async def database(database_url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(database_url, timeout=10)
    yield connection
    await connection.close()
