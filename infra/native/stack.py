"""The native stack: Kafka, PostgreSQL with TimescaleDB, and programs of ours, kept running on one machine.

`prepare` makes the storage, `start` brings the services up and returns when they answer; the caller then migrates and
creates topics and calls `start_programs`. Whatever is killed comes back by itself. `stop` keeps the data, `clean`
removes Kafka's and PostgreSQL's together, since the offsets in the one speak of the records in the other.
A service whose port is None runs elsewhere and is left alone. Nothing here knows what the programs do.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from infra.native import kafka, ports, postgres
from infra.native.locations import NotInstalled, default_data_dir
from infra.native.memory import memory_bytes
from infra.native.supervise import State, Supervisor, Unit
from infra.native.waiting import StackError, wait_until

__all__ = [
    "NotInstalled",
    "ProcessStatus",
    "Program",
    "StackError",
    "StackSpec",
    "clean",
    "default_data_dir",
    "is_running",
    "kill_program",
    "log_file",
    "prepare",
    "restart_program",
    "start",
    "start_program",
    "start_programs",
    "status",
    "stop",
    "stop_program",
    "wait_for_services",
]

KAFKA = "kafka"
POSTGRES = "postgres"

_MARKER = ".llm-observatory"

_CHECKOUT = Path(__file__).resolve().parents[2]
_LONGEST_SOCKET_FOLDER = 85  # PostgreSQL appends "/.s.PGSQL.65535.lock" and must stay under 108 bytes
ENDING_S = 5.0


@dataclass(frozen=True)
class Program:
    """One of our programs. With a count of n its processes are `name-1` to `name-n`, else it is `name`.

    It gets the environment in which supervisord was started, `environment` over that, and its process's name as
    OBSERVATORY_INSTANCE. Programs of a lower priority are started first and stopped last.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    count: int = 1
    stop_wait_s: int = 20
    priority: int = 100

    def process_names(self) -> tuple[str, ...]:
        if self.count == 1:
            return (self.name,)
        return tuple(f"{self.name}-{number}" for number in range(1, self.count + 1))


@dataclass(frozen=True)
class StackSpec:
    """What runs where. A port of None: that service is somebody else's."""

    data_dir: Path
    kafka_port: int | None
    kafka_controller_port: int | None
    postgres_port: int | None
    programs: tuple[Program, ...] = ()


@dataclass(frozen=True)
class ProcessStatus:
    """One process as it is now; memory includes its children."""

    name: str
    state: State
    pid: int | None
    uptime_s: float | None
    memory_bytes: int | None


def prepare(spec: StackSpec) -> None:
    """Make the data folder, Kafka's storage and PostgreSQL's cluster where they are missing, and write all settings.

    Raises `StackError` for a folder that holds something else, and `NotInstalled` without Kafka or PostgreSQL.
    """
    _claim(spec.data_dir)
    if spec.kafka_port is not None and spec.kafka_controller_port is not None:
        kafka.prepare(spec.data_dir / KAFKA, spec.kafka_port, spec.kafka_controller_port)
    if spec.postgres_port is not None:
        postgres.prepare(spec.data_dir / POSTGRES, _postgres_sockets(spec), spec.postgres_port)


def start(spec: StackSpec, *, timeout_s: float = 60) -> None:
    """Start the services that are ours and return when they answer and the database exists; raises `StackError`.

    The spec's programs become known and are not started. On a running stack this only applies what has changed.
    """
    supervisor = Supervisor(spec.data_dir)
    services = _services(spec)
    _refuse_taken_ports(spec, supervisor)
    supervisor.apply([*services, *_program_units(spec)])
    if services:
        supervisor.start([unit.name for unit in services])
    wait_for_services(spec, timeout_s=timeout_s)
    if spec.postgres_port is not None:
        postgres.create_database(spec.data_dir / POSTGRES, spec.postgres_port)


def wait_for_services(spec: StackSpec, *, timeout_s: float = 60) -> None:
    """Return when Kafka and PostgreSQL answer; raises `StackError` with the end of the log of the one that does not."""
    data_dir, broker, database = spec.data_dir, spec.kafka_port, spec.postgres_port
    if database is not None:
        wait_until(
            lambda: postgres.answers(data_dir / POSTGRES, database),
            what=f"PostgreSQL does not answer on port {database}",
            timeout_s=timeout_s,
            log=log_file(spec, POSTGRES),
        )
    if broker is not None:
        wait_until(
            lambda: kafka.answers(broker),
            what=f"Kafka does not answer on port {broker}",
            timeout_s=timeout_s,
            log=log_file(spec, KAFKA),
        )


def start_programs(spec: StackSpec, *, timeout_s: float = 30) -> None:
    """Start every program of the spec, in waves of equal priority, until each stays up; raises `StackError`."""
    supervisor = Supervisor(spec.data_dir)
    supervisor.apply([*_services(spec), *_program_units(spec)])
    for priority in sorted({program.priority for program in spec.programs}):
        wave = [program for program in spec.programs if program.priority == priority]
        supervisor.start([name for program in wave for name in program.process_names()], timeout_s=timeout_s)


def stop(spec: StackSpec) -> None:
    """Stop programs, then Kafka and PostgreSQL, then the supervisor; whatever runs for this data folder."""
    supervisor = Supervisor(spec.data_dir)
    running = supervisor.processes()
    if not running and not supervisor.is_running():
        return
    supervisor.stop([name for name in running if name not in (KAFKA, POSTGRES)])
    supervisor.stop([name for name in running if name in (KAFKA, POSTGRES)])
    supervisor.shutdown()


def is_running(spec: StackSpec) -> bool:
    """Whether this data folder has a supervisor at work."""
    return Supervisor(spec.data_dir).is_running()


def status(spec: StackSpec) -> list[ProcessStatus]:
    """Every process of the stack, services first; what the supervisor does not know is stopped."""
    known = Supervisor(spec.data_dir).processes()
    expected = [unit.name for unit in [*_services(spec), *_program_units(spec)]]
    found: list[ProcessStatus] = []
    for name in dict.fromkeys([*expected, *known]):
        process = known.get(name)
        pid = process.pid if process else None
        started_at = process.started_at if process else None
        found.append(
            ProcessStatus(
                name=name,
                state=process.state if process else "stopped",
                pid=pid,
                uptime_s=time.time() - started_at if started_at is not None else None,
                memory_bytes=memory_bytes(pid) if pid is not None else None,
            )
        )
    return found


def start_program(spec: StackSpec, name: str) -> None:
    """Start a process, a service, or all processes of a program, and wait until it stays up and a service answers."""
    Supervisor(spec.data_dir).start(_named(spec, name))
    if name in (KAFKA, POSTGRES):
        wait_for_services(spec)


def stop_program(spec: StackSpec, name: str) -> None:
    """Stop a process, a service, or all processes of a program, cleanly; it stays stopped until it is started."""
    Supervisor(spec.data_dir).stop(_named(spec, name))


def restart_program(spec: StackSpec, name: str) -> None:
    """Stop and start."""
    stop_program(spec, name)
    start_program(spec, name)


def kill_program(spec: StackSpec, name: str, signal_number: signal.Signals = signal.SIGKILL) -> int:
    """Send a signal to one process itself, not to its children, and return its id; the supervisor is not told."""
    (process,) = _named(spec, name)
    pid = Supervisor(spec.data_dir).processes()[process].pid
    if pid is None:
        raise StackError(f"{name} is not running.")
    os.kill(pid, signal_number)
    return pid


def clean(spec: StackSpec) -> None:
    """Remove the data folder with all that Kafka and PostgreSQL hold.

    Raises `StackError` while the stack runs, and for a folder that no stack was prepared in.
    """
    if is_running(spec):
        raise StackError(f"The stack in {spec.data_dir} is running: stop it before its data is removed.")
    if not spec.data_dir.exists():
        return
    if not (spec.data_dir / _MARKER).exists():
        raise StackError(f"{spec.data_dir} was not made by this stack: nothing in it is removed.")
    shutil.rmtree(spec.data_dir)


def log_file(spec: StackSpec, name: str) -> Path:
    """The log of one process."""
    return Supervisor(spec.data_dir).log_of(name)


def _claim(data_dir: Path) -> None:
    """Make the folder and mark it as ours, so that `clean` never removes what somebody else keeps there."""
    if data_dir.exists() and any(data_dir.iterdir()) and not (data_dir / _MARKER).exists():
        raise StackError(f"{data_dir} holds something else: choose an empty folder for the stack's data.")
    data_dir.mkdir(parents=True, exist_ok=True)
    data_dir.chmod(0o755)  # whatever the umask: PostgreSQL may run as another user
    (data_dir / _MARKER).touch()


def _services(spec: StackSpec) -> list[Unit]:
    units: list[Unit] = []
    if spec.kafka_port is not None:
        folder = spec.data_dir / KAFKA
        units.append(
            Unit(KAFKA, kafka.command(folder), folder, stop_wait_s=30, priority=1, starts_with_supervisor=True)
        )
    if spec.postgres_port is not None:
        folder = spec.data_dir / POSTGRES
        units.append(
            Unit(
                POSTGRES,
                postgres.command(folder),
                folder,
                user=postgres.account(),
                stop_signal="INT",  # a fast shutdown: TERM would wait until every client has gone
                stop_wait_s=60,
                priority=1,
                starts_with_supervisor=True,
            )
        )
    return units


def _program_units(spec: StackSpec) -> list[Unit]:
    return [
        Unit(
            name,
            program.command,
            _CHECKOUT,
            environment={"OBSERVATORY_INSTANCE": name, **program.environment},
            stop_wait_s=program.stop_wait_s,
            priority=program.priority,
        )
        for program in spec.programs
        for name in program.process_names()
    ]


def _named(spec: StackSpec, name: str) -> list[str]:
    """The processes that a name stands for."""
    of_program = [process for program in spec.programs if program.name == name for process in program.process_names()]
    found = of_program or [name]
    known = Supervisor(spec.data_dir).processes()
    if not known:
        raise StackError("The stack is not running.")
    unknown = [process for process in found if process not in known]
    if unknown:
        raise StackError(f"There is no {unknown[0]} here; there are {', '.join(sorted(known))}.")
    return found


def _refuse_taken_ports(spec: StackSpec, supervisor: Supervisor) -> None:
    """Else a service of somebody else would answer in the place of ours."""
    ours = supervisor.processes()
    wanted = {KAFKA: (spec.kafka_port, spec.kafka_controller_port), POSTGRES: (spec.postgres_port,)}
    for port in (port for service, needed in wanted.items() if service not in ours for port in needed if port):
        holder = ports.holder(port)
        if holder is not None and str(spec.data_dir) in holder.command:
            # Our own, of a supervisor that was killed: it is on its way out.
            wait_until(partial(ports.is_free, port), what=f"{holder} does not end", timeout_s=90)
        elif not (ports.is_free(port) or (holder is None and _is_soon_free(port))):
            by = holder or "another process"
            raise StackError(f"Port {port} is taken by {by}: stop it or choose another port (OBSERVATORY_…_PORT).")


def _is_soon_free(port: int) -> bool:
    """A port that nobody is seen to hold may belong to a process that is just ending: its socket goes last."""
    try:
        wait_until(partial(ports.is_free, port), what=f"port {port} is taken", timeout_s=ENDING_S)
    except StackError:
        return False
    return True


def _postgres_sockets(spec: StackSpec) -> Path | None:
    folder = spec.data_dir / "socket"
    return folder if len(os.fsencode(folder)) <= _LONGEST_SOCKET_FOLDER else None
