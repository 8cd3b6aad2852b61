"""A supervisord of our own for one data folder: start it, change what it runs, ask it, stop it.

It restarts whatever dies, for ever, and rotates each unit's log. Each unit is started by a small shell script that can
be read and run by hand; should supervisord itself be killed, the kernel passes that on to its units as their stop
signal, so that nothing is left that nobody watches.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import shlex
import shutil
import subprocess
import sys
import xmlrpc.client
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from supervisor.xmlrpc import Faults, SupervisorTransport  # type: ignore[import-untyped]  # it ships no types

from infra.native.waiting import StackError, wait_until

State = Literal["running", "starting", "backoff", "stopping", "stopped", "exited", "fatal", "unknown"]

# A unix socket's address has 108 bytes, and supervisord binds to a longer name before it renames.
_LONGEST_SOCKET = 90


@dataclass(frozen=True)
class Unit:
    """One process to keep running. Units of a lower priority are started first and stopped last."""

    name: str
    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: Literal["TERM", "INT"] = "TERM"
    stop_wait_s: int = 20
    priority: int = 100
    starts_with_supervisor: bool = False


@dataclass(frozen=True)
class Process:
    """What supervisord knows about one unit; `started_at` is in seconds of the epoch."""

    name: str
    state: State
    pid: int | None
    started_at: float | None


class Supervisor:
    """The supervisord of one data folder, whether it runs or not."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.logs = data_dir / "logs"
        self._config = data_dir / "supervisord.conf"
        self._pid_file = data_dir / "supervisord.pid"
        self._socket = _socket_path(data_dir)

    def log_of(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def is_running(self) -> bool:
        try:
            self._ask("getPID")
        except OSError:
            return False
        return True

    def apply(self, units: Iterable[Unit]) -> None:
        """Run supervisord with exactly these units: new and changed ones are (re-)added, others stopped and removed."""
        self._write(list(units))
        if not self.is_running():
            self._launch()
            return
        added, changed, removed = cast(list[list[list[str]]], self._ask("reloadConfig"))[0]
        self.stop([*changed, *removed])
        for name in [*changed, *removed]:
            self._ask("removeProcessGroup", name)
        for name in [*added, *changed]:
            self._ask("addProcessGroup", name)

    def processes(self) -> dict[str, Process]:
        """All units by name; empty when supervisord does not run."""
        try:
            answer = self._ask("getAllProcessInfo")
        except OSError:
            return {}
        found = [_process(info) for info in cast(list[dict[str, object]], answer)]
        return {process.name: process for process in found}

    def start(self, names: Iterable[str], *, timeout_s: float = 30) -> None:
        """Start the units that do not run and wait until each has stayed up for a second; raises `StackError`."""
        names = list(names)
        for name in names:
            self._ask("startProcess", name, False, unless=(Faults.ALREADY_STARTED, Faults.SPAWN_ERROR))
        for name in names:
            self._wait_for(name, ("running",), what=f"{name} does not stay up", timeout_s=timeout_s)

    def stop(self, names: Iterable[str]) -> None:
        """Stop the units, those of equal priority at once and the highest first, each within its own time."""
        configured = cast(list[dict[str, object]], self._ask("getAllConfigInfo"))
        priorities = {str(info["name"]): cast(int, info["process_prio"]) for info in configured}
        waves: dict[int, list[str]] = {}
        for name in names:
            waves.setdefault(priorities.get(name, 0), []).append(name)
        for _, wave in sorted(waves.items(), reverse=True):
            for name in wave:
                self._ask("stopProcess", name, False, unless=(Faults.NOT_RUNNING,))
            for name in wave:
                self._wait_for(name, ("stopped", "exited", "fatal"), what=f"{name} does not stop", timeout_s=150)

    def shutdown(self) -> None:
        """Stop everything and end supervisord."""
        self._ask("shutdown")
        wait_until(
            lambda: not self.is_running() and not self._pid_file.exists(),
            what="supervisord has not ended",
            timeout_s=120,
            log=self.logs / "supervisord.log",
        )

    def _wait_for(self, name: str, states: tuple[State, ...], *, what: str, timeout_s: float) -> None:
        wait_until(
            lambda: self.processes()[name].state in states, what=what, timeout_s=timeout_s, log=self.log_of(name)
        )

    def _launch(self) -> None:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "supervisor.supervisord", "-c", str(self._config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.data_dir,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise StackError(f"supervisord did not start:\n{done.stdout[-2000:]}")
        log = self.logs / "supervisord.log"
        wait_until(self.is_running, what="supervisord does not answer", timeout_s=20, log=log)

    def _ask(self, method: str, *arguments: object, unless: tuple[int, ...] = ()) -> object:
        """One remote call. Raises OSError without supervisord, `StackError` for a refusal that is not in `unless`."""
        transport = SupervisorTransport(None, None, serverurl=f"unix://{self._socket}")
        proxy = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
        try:
            return cast(object, getattr(proxy.supervisor, method)(*arguments))
        except xmlrpc.client.Fault as fault:
            if fault.faultCode in unless:
                return None
            raise StackError(f"supervisord refused {method}{arguments}: {fault.faultString}") from fault
        except http.client.HTTPException as broken:  # it ended in the middle of an answer
            raise ConnectionError(str(broken)) from broken
        finally:
            transport.close()

    def _write(self, units: list[Unit]) -> None:
        scripts = self.data_dir / "run"
        for folder in (self.logs, scripts):
            folder.mkdir(parents=True, exist_ok=True)
        sections = [self._own_section()]
        kept = set()
        for unit in units:
            script = _script(unit)
            # Its name changes with its content: that is how supervisord sees that the unit has changed.
            path = scripts / f"{unit.name}.{hashlib.sha256(script.encode()).hexdigest()[:8]}.sh"
            _write_private(path, script, user=unit.user)
            kept.add(path)
            sections.append(self._section(unit, path))
        for stale in set(scripts.glob("*.sh")) - kept:
            stale.unlink()
        _write_private(self._config, "\n".join(sections))

    def _own_section(self) -> str:
        values = {
            "logfile": self.logs / "supervisord.log",
            "logfile_maxbytes": "10MB",
            "logfile_backups": 1,
            "pidfile": self._pid_file,
            "directory": self.data_dir,
            "childlogdir": self.logs,
            **({"user": "root"} if os.geteuid() == 0 else {}),
        }
        interface = "supervisor.rpcinterface:make_main_rpcinterface"
        return (
            _ini("supervisord", values)
            + _ini("unix_http_server", {"file": self._socket, "chmod": "0700"})
            + _ini("rpcinterface:supervisor", {"supervisor.rpcinterface_factory": interface})
        )

    def _section(self, unit: Unit, script: Path) -> str:
        values = {
            "command": shlex.join(["/bin/sh", str(script)]),
            "directory": unit.folder,
            "priority": unit.priority,
            "autostart": str(unit.starts_with_supervisor).lower(),
            "autorestart": "true",
            "startsecs": 1,
            "startretries": 1_000_000,
            "stopsignal": unit.stop_signal,
            "stopwaitsecs": unit.stop_wait_s,
            "stdout_logfile": self.log_of(unit.name),
            "stdout_logfile_maxbytes": "10MB",
            "stdout_logfile_backups": 3,
            "redirect_stderr": "true",
            **({"user": unit.user} if unit.user else {}),
        }
        return _ini(f"program:{unit.name}", values)


def _script(unit: Unit) -> str:
    exports = [f"export {name}={shlex.quote(value)}" for name, value in sorted(unit.environment.items())]
    run = f"exec setpriv --pdeathsig {unit.stop_signal} -- {shlex.join(unit.command)}"
    return "\n".join(["#!/bin/sh", f"# Runs {unit.name} as the supervisor does.", *exports, run, ""])


def _write_private(path: Path, text: str, user: str | None = None) -> None:
    """Environments hold keys: nobody but the user who runs it reads the file."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    if user is not None:
        shutil.chown(path, user)


def _ini(section: str, values: Mapping[str, object]) -> str:
    lines = [f"{name}={str(value).replace('%', '%%')}\n" for name, value in values.items()]
    return f"[{section}]\n" + "".join(lines) + "\n"


def _socket_path(data_dir: Path) -> Path:
    inside = data_dir / "supervisor.sock"
    if len(os.fsencode(inside)) <= _LONGEST_SOCKET:
        return inside
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return Path("/tmp") / f"llm-observatory-{digest}.sock"


def _process(info: dict[str, object]) -> Process:
    pid = cast(int, info["pid"]) or None
    return Process(
        name=str(info["name"]),
        state=cast(State, str(info["statename"]).lower()),
        pid=pid,
        started_at=cast(float, info["start"]) if pid else None,
    )
