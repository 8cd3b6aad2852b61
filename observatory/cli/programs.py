"""Which programs make up the stack, with what settings and on which ports; pure but for reading the environment.

A service whose URL is set in the environment is somebody else's and is not started; the simulator is ours when its
URL is on loopback.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import infra
from infra.native.stack import Program, StackSpec, default_data_dir
from observatory.adapters.settings import Settings, native_kafka_port, native_postgres_port

CHECKOUT = Path(infra.__file__).resolve().parents[1]
HANDED_ON = ("OBSERVATORY_", "OPENAI_", "ANTHROPIC_", "AZURE_OPENAI_")
METRICS_BASE = 9100
BILL = "bill.jsonl"
CHAT_PORTS, LEDGER_PORTS, STREAMS_PORTS = 1, 21, 41
SIMULATOR, GATEWAY, CHAT, LEDGER, STREAMS = "simulator", "gateway", "chat", "ledger", "streams"


@dataclass(frozen=True)
class Part:
    """One program of the stack and where it says how it is."""

    program: Program
    health_url: str

    @property
    def name(self) -> str:
        """The process's name."""
        return self.program.name


def data_dir() -> Path:
    """Where the stack keeps its data: `OBSERVATORY_DATA_DIR`, else a folder that belongs to this checkout."""
    return default_data_dir(CHECKOUT)


def stack_spec(config: Settings, parts: tuple[Part, ...], environ: Mapping[str, str] = os.environ) -> StackSpec:
    """The native stack: services that are not set in the environment, and these programs."""
    kafka = None if "OBSERVATORY_KAFKA" in environ else native_kafka_port()
    database = None if "OBSERVATORY_DATABASE_URL" in environ else native_postgres_port()
    controller = None if kafka is None else kafka + 1
    return StackSpec(data_dir(), kafka, controller, database, tuple(part.program for part in parts))


def parts_of(config: Settings, folder: Path, environ: Mapping[str, str] = os.environ) -> tuple[Part, ...]:
    """The programs in the order of their start. `folder` is where the simulator's bill goes."""
    base = config.metrics_port or METRICS_BASE
    shared = {name: value for name, value in environ.items() if name.startswith(HANDED_ON)}
    shared |= {
        "OBSERVATORY_KAFKA": config.kafka.bootstrap,
        "OBSERVATORY_DATABASE_URL": config.database_url,
        "OBSERVATORY_DATA_DIR": str(folder),
    }
    workers = (
        *_simulator(config, folder),
        *_numbered(LEDGER, "streams.ledger", config.ledgers, shared, base + LEDGER_PORTS, 20),
        *_numbered(STREAMS, "streams.app", config.streams, shared, base + STREAMS_PORTS, 20),
        *_numbered(CHAT, "workers.chat", config.chat_workers, shared, base + CHAT_PORTS, 20),
    )
    return (*workers, *_gateways(config, _watching(workers, shared)))


def _watching(workers: tuple[Part, ...], shared: Mapping[str, str]) -> Mapping[str, str]:
    """What gateways are told of the other processes, unless the environment says which there are."""
    told = ",".join(f"{part.name}={part.health_url}" for part in workers)
    return {"OBSERVATORY_PROCESSES": told, **shared}


def _simulator(config: Settings, folder: Path) -> tuple[Part, ...]:
    url = config.providers.simulator_url
    if not url or urlsplit(url).hostname not in ("127.0.0.1", "localhost"):
        return ()
    bill = folder / BILL
    command = (sys.executable, "-m", "loadtests.simulator", "--port", str(_port(url)), "--bill", str(bill))
    return (Part(Program(SIMULATOR, command, priority=10), f"{url.rstrip('/')}/sim/health"),)


def _numbered(
    name: str, module: str, count: int, shared: Mapping[str, str], first_port: int, priority: int
) -> tuple[Part, ...]:
    """`name-1`, `name-2`, …: each with a metrics port of its own."""
    return tuple(
        Part(
            Program(
                f"{name}-{number + 1}",
                (sys.executable, "-m", module),
                {**shared, "OBSERVATORY_METRICS_PORT": str(first_port + number)},
                stop_wait_s=30,
                priority=priority,
            ),
            f"http://127.0.0.1:{first_port + number}/healthz",
        )
        for number in range(count)
    )


def _gateways(config: Settings, shared: Mapping[str, str]) -> tuple[Part, ...]:
    """One on `OBSERVATORY_HTTP_PORT`, further ones on the ports after it."""
    return tuple(
        Part(
            Program(
                GATEWAY if number == 0 else f"{GATEWAY}-{number + 1}",
                (sys.executable, "-m", "workers.gateway"),
                {**shared, "OBSERVATORY_HTTP_PORT": str(config.http_port + number), "OBSERVATORY_METRICS_PORT": "0"},
                priority=30,
            ),
            f"http://127.0.0.1:{config.http_port + number}/healthz",
        )
        for number in range(config.gateways)
    )


def _port(url: str) -> int:
    return urlsplit(url).port or 80
