"""A Kafka and a PostgreSQL of the tests' own, on free ports and with fresh data, beside whatever else runs here."""

from __future__ import annotations

import fcntl
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.native import stack as native
from infra.native.ports import free_ports
from infra.native.stack import StackSpec

KEEP = "OBSERVATORY_TEST_KEEP"


@dataclass(frozen=True)
class LiveStack:
    """Running services: `kafka` is host:port, `database_url` has an empty database with TimescaleDB."""

    kafka: str
    database_url: str
    data_dir: Path
    spec: StackSpec


@contextmanager
def live_stack(
    name: str = "test", change: Callable[[StackSpec], None] | None = None, *, durable: bool = False
) -> Iterator[LiveStack]:
    """Start a fresh stack, and stop and remove it at the end, unless OBSERVATORY_TEST_KEEP is set.

    `change` may alter the settings that were written before anything starts. Unless `durable`, PostgreSQL leaves it to
    the kernel when rows reach the disk: a killed process loses nothing by that, only a machine without power would.
    """
    folder = _folder()
    _remove_abandoned(folder)
    live = _describe(folder / f"{name}-{os.getpid()}")
    try:
        native.prepare(live.spec)
        if not durable:
            with (live.data_dir / native.POSTGRES / "postgresql.conf").open("a") as settings:
                settings.write("fsync = off\n")
        if change is not None:
            change(live.spec)
        native.start(live.spec)
        yield live
    finally:
        if os.environ.get(KEEP):
            (live.data_dir / "keep").touch()
            sys.stderr.write(f"\nThe test stack stays, with {live.kafka} and {live.database_url}: {live.data_dir}\n")
        else:
            native.stop(live.spec)
            native.clean(live.spec)


def _describe(data_dir: Path) -> LiveStack:
    broker, controller, database = free_ports(3)
    return LiveStack(
        kafka=f"127.0.0.1:{broker}",
        database_url=f"postgresql://observatory@127.0.0.1:{database}/observatory",
        data_dir=data_dir,
        spec=StackSpec(data_dir, kafka_port=broker, kafka_controller_port=controller, postgres_port=database),
    )


def _folder() -> Path:
    """For root one that the user `postgres` can enter too."""
    if os.geteuid() == 0:
        return Path("/var/lib/llm-observatory")
    return Path(tempfile.gettempdir()) / f"llm-observatory-{os.geteuid()}"


def _remove_abandoned(folder: Path) -> None:
    """A test run that was killed could not clean up: its stack still runs and nobody uses it.

    Several processes of a run start at once: one looks after the other.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "removing.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for data_dir in folder.glob("*test-*"):
            pid = data_dir.name.rpartition("-")[2]
            if pid.isdigit() and not Path("/proc", pid).exists() and not (data_dir / "keep").exists():
                abandoned = StackSpec(data_dir, kafka_port=None, kafka_controller_port=None, postgres_port=None)
                native.stop(abandoned)
                native.clean(abandoned)
