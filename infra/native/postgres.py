"""One PostgreSQL cluster with TimescaleDB: its settings, its files, its database, and how to know that it answers.

Commits are durable (`fsync`, `synchronous_commit`). Connections from this machine are trusted: it listens on loopback
and a socket only. PostgreSQL refuses root, so for root it belongs to and runs as the user `postgres`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from infra.native import locations
from infra.native.waiting import StackError

DATABASE = "observatory"
SUPERUSER = "postgres"


def account() -> str | None:
    """The user that the server must run as, or None when that is the caller."""
    return "postgres" if os.geteuid() == 0 else None


def prepare(folder: Path, sockets: Path | None, port: int) -> None:
    """Create the cluster in `folder` unless it is there, and write its settings; no `sockets`: its port only."""
    if sockets is not None:
        sockets.mkdir(parents=True, exist_ok=True)
        _hand_over(sockets)
    if not folder.exists():
        _create_cluster(folder)
    (folder / "postgresql.conf").write_text(settings(sockets, port))
    _hand_over(folder / "postgresql.conf")


def command(folder: Path) -> tuple[str, ...]:
    """The server as one process (the postmaster), for a folder for which `prepare` was called."""
    return (str(_bin(folder) / "postgres"), "-D", str(folder))


def settings(sockets: Path | None, port: int) -> str:
    """The cluster's postgresql.conf: many small durable commits and append-mostly tables on a small machine."""
    values: dict[str, str | int] = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": str(sockets or ""),
        "max_connections": 100,
        "shared_preload_libraries": "timescaledb",
        "timescaledb.telemetry_level": "off",
        "fsync": "on",
        "synchronous_commit": "on",
        "shared_buffers": "256MB",
        "wal_buffers": "16MB",
        "wal_compression": "lz4",
        "checkpoint_timeout": "10min",
        "max_wal_size": "4GB",
        "autovacuum_naptime": "10s",
        # Every chunk of a hypertable and each of its indexes takes a lock of its own.
        "max_locks_per_transaction": 256,
        "random_page_cost": "1.1",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] ",
    }
    return "".join(f"{name} = '{value}'\n" for name, value in values.items())


def answers(folder: Path, port: int) -> bool:
    """Whether the server on loopback executes a statement."""
    return _psql(folder, port, SUPERUSER, "SELECT 1").returncode == 0


def create_database(folder: Path, port: int) -> None:
    """Create our role, its database and TimescaleDB in it, unless they are there; raises `StackError`."""
    if not _checked(folder, port, "postgres", f"SELECT 1 FROM pg_roles WHERE rolname = '{DATABASE}'"):
        _checked(folder, port, "postgres", f"CREATE ROLE {DATABASE} LOGIN")
    if not _checked(folder, port, "postgres", f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"):
        _checked(folder, port, "postgres", f"CREATE DATABASE {DATABASE} OWNER {DATABASE}")
    # A replay rebuilds the ledger in a database of its own.
    _checked(folder, port, DATABASE, f"ALTER ROLE {DATABASE} CREATEDB", "CREATE EXTENSION IF NOT EXISTS timescaledb")


def _create_cluster(folder: Path) -> None:
    """Under another name first: an interrupted initdb leaves a folder that only looks like a cluster."""
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    unfinished.mkdir(parents=True, mode=0o700)
    _hand_over(unfinished)
    _refuse_unreachable(unfinished)
    _initdb(unfinished)
    unfinished.rename(folder)


def _refuse_unreachable(folder: Path) -> None:
    user = account()
    for parent in folder.parents:
        if user is not None and not parent.stat().st_mode & 0o001:
            raise StackError(f"PostgreSQL runs as user {user}, who cannot enter {parent}: keep the data elsewhere.")


def _initdb(folder: Path) -> None:
    options = [
        f"--username={SUPERUSER}",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
        "--no-instructions",
    ]
    done = subprocess.run(
        [str(_bin(folder) / "initdb"), *options, "-D", str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd="/",  # where we are may be closed to the other user
        user=account(),
        group=account(),
        extra_groups=[] if account() else None,
        check=False,
    )
    if done.returncode != 0:
        raise StackError(f"PostgreSQL's cluster in {folder} could not be created:\n{done.stdout[-2000:]}")


def _bin(folder: Path) -> Path:
    """The programs of the version that the data was made with, for new data those of the newest."""
    stated = folder / "PG_VERSION"
    major = int(stated.read_text()) if stated.exists() else None
    found = locations.postgres_bin(major)
    if found is None:
        version = f" {major}, with which {folder} was made," if major else ""
        raise locations.NotInstalled(
            f"PostgreSQL{version} with TimescaleDB is missing: run `make install`, or set OBSERVATORY_DATABASE_URL."
        )
    return found


def _psql(folder: Path, port: int, database: str, *statements: str) -> subprocess.CompletedProcess[str]:
    where = ["-h", "127.0.0.1", "-p", str(port), "-U", SUPERUSER, "-d", database]
    each = [part for statement in statements for part in ("-c", statement)]
    return subprocess.run(
        [str(_bin(folder) / "psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", *where, *each],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "PGCONNECT_TIMEOUT": "2", "PGPASSWORD": ""},
        check=False,
    )


def _checked(folder: Path, port: int, database: str, *statements: str) -> str:
    done = _psql(folder, port, database, *statements)
    if done.returncode != 0:
        raise StackError(f"PostgreSQL refused `{'; '.join(statements)}`: {done.stderr.strip()}")
    return done.stdout


def _hand_over(path: Path) -> None:
    user = account()
    if user is not None:
        entry = pwd.getpwnam(user)
        shutil.chown(path, entry.pw_uid, entry.pw_gid)
