"""Where the software that the native stack needs is installed, and where its data goes.

Standard library only and no Python newer than 3.8: the installer imports it with the system's `python3`, which may
be the very thing that it has to complain about.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path

KAFKA_VERSION = "4.4.0"
MINIMUM_JAVA = 17

_DEBIAN_POSTGRES = Path("/usr/lib/postgresql")


class NotInstalled(RuntimeError):
    """Software that the stack needs is missing; the message says how to get it."""


def default_data_dir(checkout: Path) -> Path:
    """The folder for everything that the stack writes.

    `OBSERVATORY_DATA_DIR` if set. For root a folder under /var/lib that carries the checkout's name and a hash of its
    path: PostgreSQL then runs as another user, who may not be able to enter the checkout. Else inside the checkout.
    """
    chosen = os.environ.get("OBSERVATORY_DATA_DIR")
    if chosen:
        return Path(chosen).resolve()
    checkout = checkout.resolve()
    if os.geteuid() != 0:
        return checkout / ".observatory"
    digest = hashlib.sha256(str(checkout).encode()).hexdigest()[:8]
    return Path("/var/lib/llm-observatory") / "{}-{}".format(checkout.name or "root", digest)


def kafka_home() -> Path:
    """The folder of this Kafka version in the user's cache, whether it exists or not."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "llm-observatory" / f"kafka-{KAFKA_VERSION}"


def kafka_libs() -> Path | None:
    """The folder of Kafka's jars, or None when they are not installed."""
    libs = kafka_home() / "libs"
    return libs if libs.is_dir() else None


def browser() -> Path | None:
    """Chromium, or None when it is not installed."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    return Path(found) if found else None


def java() -> Path | None:
    """A Java runtime of at least `MINIMUM_JAVA`: JAVA_HOME's, the one on the path, or one of Debian's."""
    home = os.environ.get("JAVA_HOME")
    on_path = shutil.which("java")
    candidates: list[Path] = [Path(home) / "bin" / "java"] if home else []
    candidates += [Path(on_path)] if on_path else []
    candidates += sorted(Path("/usr/lib/jvm").glob("*/bin/java"))
    return next((found for found in candidates if _java_version(found) >= MINIMUM_JAVA), None)


def postgres_bin(major: int | None = None) -> Path | None:
    """The programs of a PostgreSQL that has TimescaleDB: the newest, or that of one major version; None without one."""
    found = [folder for folder in _debian_postgres() if has_timescaledb(folder.name)]
    matching = [folder for folder in found if major is None or int(folder.name) == major]
    return matching[-1] / "bin" if matching else None


def newest_postgres() -> str | None:
    """The newest PostgreSQL that is installed, with TimescaleDB or without, as "15"."""
    found = _debian_postgres()
    return found[-1].name if found else None


def has_timescaledb(major: str) -> bool:
    """Whether TimescaleDB is installed for this PostgreSQL."""
    control = Path("/usr/share/postgresql") / major / "extension" / "timescaledb.control"
    return control.is_file() and (_DEBIAN_POSTGRES / major / "lib" / "timescaledb.so").is_file()


def _debian_postgres() -> list[Path]:
    servers = (server.parent.parent for server in _DEBIAN_POSTGRES.glob("*/bin/postgres"))
    return sorted((folder for folder in servers if folder.name.isdigit()), key=lambda folder: int(folder.name))


def _java_version(program: Path) -> int:
    """Read from the `release` file beside it, since starting Java only to ask takes longer than all other checks."""
    release = program.resolve().parent.parent / "release"
    if not release.is_file():
        return 0
    stated = re.search(r'JAVA_VERSION="(?:1\.)?(\d+)', release.read_text())
    return int(stated.group(1)) if stated else 0
