"""What Debian's packages bring, and what is built with them: PostgreSQL with TimescaleDB, Java, Maven, Chromium.

Only root can add packages; anybody else is told, in one line, all that is missing. Standard library only.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from infra.native import locations
from infra.native.steps import Failed, Installer, all_at_once

SOURCE_RELEASE = (
    "trixie"  # the Debian release whose source package of TimescaleDB is built where there is no binary one
)
SOURCE_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
CREATE_CLUSTER = Path("/etc/postgresql-common/createcluster.conf")
APT_OPTIONS = [
    "-y",
    "-oDPkg::Lock::Timeout=600",
    "-oDpkg::Options::=--force-confdef",
    "-oDpkg::Options::=--force-confold",
]
# For what runs beside an installation: caches of its own, and apt's own user cannot write into our folder.
APART = ["-oDir::Cache::pkgcache=", "-oDir::Cache::srcpkgcache=", "-oAPT::Sandbox::User=root"]
BUILD_TOOLS = ["gcc", "libc6-dev", "cmake", "make", "dpkg-dev", "libpq-dev", "libssl-dev", "libkrb5-dev"]
BUILD_OPTIONS = [
    "-DAPACHE_ONLY=1",
    "-DREGRESS_CHECKS=OFF",
    "-DTAP_CHECKS=OFF",
    "-DWARNINGS_AS_ERRORS=OFF",
    "-DCMAKE_BUILD_TYPE=Release",
]


class Apt:
    """Debian's package manager, whose lists are refreshed before the first packages."""

    def __init__(self, installer: Installer) -> None:
        self.installer = installer
        self._updated = False

    def update(self) -> None:
        if not self._updated:
            with self.installer.step("Debian's package lists"):
                self.installer.run("apt-get", "update", "-q", "-oDPkg::Lock::Timeout=600")
            self._updated = True

    def install(self, *packages: str) -> None:
        self.update()
        with self.installer.step("Debian packages {}".format(", ".join(packages))):
            self.installer.run("apt-get", "install", "--no-install-recommends", *APT_OPTIONS, *packages)


def missing_packages(environment: Mapping[str, str]) -> dict[str, str]:
    """What the other parts of the installation cannot do without and is not here, each with its Debian package."""
    found: dict[str, str] = {}
    if importlib.util.find_spec("ensurepip") is None:  # Debian has it in a package of its own
        found["Python's venv"] = "python3-venv"
    if not environment.get("OBSERVATORY_KAFKA"):
        if locations.java() is None:
            found[f"Java {locations.MINIMUM_JAVA} or newer"] = "default-jre-headless"
        if locations.kafka_libs() is None and shutil.which("mvn") is None:
            found["Maven"] = "maven"
    return found


def postgres_is_missing(environment: Mapping[str, str]) -> bool:
    """Whether PostgreSQL with TimescaleDB is ours to install."""
    return not environment.get("OBSERVATORY_DATABASE_URL") and locations.postgres_bin() is None


def refuse_without_root(missing: Mapping[str, str], *, postgres: bool, browser: bool) -> None:
    """Raises `Failed` that names all of it where no Debian package can be added."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        return
    names = [*missing, *(["PostgreSQL with TimescaleDB"] if postgres else []), *(["Chromium"] if browser else [])]
    said = "Missing: {}.".format(", ".join(names))
    if shutil.which("apt-get") is None:
        how = "This system has no apt: install the equivalents with its own tools, then run this again."
    elif postgres:
        how = "Install once with `sudo python3 infra/native/install.py --system`, then run this again."
    else:
        packages = " ".join([*missing.values(), *(["chromium"] if browser else [])])
        how = f"Install with `sudo apt-get install {packages}`, then run this again."
    elsewhere = " A PostgreSQL that runs elsewhere is used when OBSERVATORY_DATABASE_URL is set." if postgres else ""
    raise Failed(f"{said} {how}{elsewhere}")


def install_missing(apt: Apt, missing: Mapping[str, str], environment: Mapping[str, str]) -> None:
    """Add the packages of `missing_packages`; raises `Failed` where Debian's Java is too old."""
    if missing:
        apt.install(*missing.values())
    still = missing_packages(environment)
    if still:
        raise Failed("Still missing: {}. Install it by hand, or point JAVA_HOME at a Java.".format(", ".join(still)))


def install_browser(apt: Apt) -> None:
    """Chromium, for tests only."""
    apt.install("chromium")
    if locations.browser() is None:
        raise Failed("Chromium is missing: install it so that `chromium` is in the PATH.")


def install_postgres(apt: Apt) -> None:
    """PostgreSQL with TimescaleDB: Debian's package where there is one, else built for Debian's PostgreSQL."""
    keep_default_cluster_away()
    apt.update()
    packaged = packaged_timescaledb()
    if packaged:
        apt.install(f"postgresql-{packaged}", f"postgresql-{packaged}-timescaledb")
    else:
        build_timescaledb(apt)
    if locations.postgres_bin() is None:
        raise Failed(f"TimescaleDB is not where PostgreSQL looks for it; the log: {apt.installer.log}")


def keep_default_cluster_away() -> None:
    """Debian makes and starts a database on port 5432 with the first server package; nobody asked for that one."""
    if locations.newest_postgres() is None and not CREATE_CLUSTER.exists():
        CREATE_CLUSTER.parent.mkdir(parents=True, exist_ok=True)
        CREATE_CLUSTER.write_text(
            "# Written by LLM Observatory, which runs its own cluster.\ncreate_main_cluster = false\n"
        )


def packaged_timescaledb() -> str | None:
    """The newest PostgreSQL for which apt has TimescaleDB as a package."""
    search = ["apt-cache", "search", "--names-only", "^postgresql-[0-9]+-timescaledb$"]
    majors = re.findall(r"^postgresql-(\d+)-timescaledb ", asked(search), re.MULTILINE)
    return max(majors, key=int) if majors else None


def packaged_postgres() -> str:
    """The PostgreSQL of this Debian, as "15"."""
    depends = re.search(r"^Depends:.*\bpostgresql-(\d+)\b", asked(["apt-cache", "show", "postgresql"]), re.MULTILINE)
    if depends is None:
        raise Failed("apt knows no package `postgresql`: `apt-get update` says whether Debian's archive is reached.")
    return depends[1]


def asked(command: list[str]) -> str:
    """What a program answers; nothing where it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return done.stdout


def build_timescaledb(apt: Apt) -> None:
    """Build the source package of a newer Debian for the PostgreSQL of this one, or for one that is there already."""
    installer = apt.installer
    major = locations.newest_postgres()
    server = [] if major else ["postgresql"]
    major = major or packaged_postgres()
    with tempfile.TemporaryDirectory(prefix="timescaledb-") as folder:
        work = Path(folder)
        packages = partial(apt.install, *server, *BUILD_TOOLS)
        all_at_once([packages, partial(fetch_source, installer, work), partial(fetch_headers, installer, major, work)])
        with installer.step(f"TimescaleDB for PostgreSQL {major}, built"):
            source = work / "timescaledb"
            installer.run("dpkg-source", "-x", *map(str, descriptions(work)), str(source), cwd=work)
            config = f"-DPG_CONFIG={config_with_headers(major, work)}"
            installer.run("cmake", "-S", ".", "-B", "build", config, *BUILD_OPTIONS, cwd=source)
            installer.run("cmake", "--build", "build", f"-j{os.cpu_count() or 1}", cwd=source)
            installer.run("cmake", "--install", "build", cwd=source)


def fetch_headers(installer: Installer, major: str, work: Path) -> None:
    """Unpack the package of the server's headers and leave it uninstalled: it would bring LLVM, which is not needed."""
    with installer.step("PostgreSQL's headers"):
        installer.run("apt-get", "download", *APART, f"postgresql-server-dev-{major}", cwd=work)
        (package,) = work.glob("postgresql-server-dev-*.deb")
        installer.run("dpkg-deb", "--extract", str(package), str(work / "headers"))


def config_with_headers(major: str, work: Path) -> Path:
    """A pg_config that answers as PostgreSQL's own, except for where the server's headers are."""
    program, include = f"/usr/lib/postgresql/{major}/bin/pg_config", f"/usr/include/postgresql/{major}/server"
    script = work / "pg_config"
    script.write_text(f"#!/bin/sh\n{program} \"$@\" | sed 's#{include}#{work}/headers&#g'\n")
    script.chmod(0o755)
    return script


def fetch_source(installer: Installer, work: Path) -> None:
    """Download the source package with package lists of its own: the system's stay as they are."""
    parts, lists = work / "sources", work / "lists"
    parts.mkdir()
    (lists / "partial").mkdir(parents=True)
    signed = f"[signed-by={SOURCE_KEYRING}] " if SOURCE_KEYRING.exists() else ""
    (parts / "source.list").write_text(f"deb-src {signed}{debian_mirror()} {SOURCE_RELEASE} main\n")
    options = [
        "-oDir::Etc::SourceList=/dev/null",
        f"-oDir::Etc::SourceParts={parts}",
        f"-oDir::State::Lists={lists}",
        *APART,
    ]
    with installer.step("TimescaleDB's source"):
        installer.run("apt-get", "update", "-q", *options)
        installer.run("apt-get", "source", "--download-only", *options, "timescaledb", cwd=work)
        if not descriptions(work):
            raise Failed(f"apt-get brought no source package of TimescaleDB; the log: {installer.log}")


def descriptions(work: Path) -> list[Path]:
    """The description of the newest source package that was fetched."""
    return sorted(work.glob("timescaledb_*.dsc"))[-1:]


def debian_mirror() -> str:
    """The machine's own Debian archive, from either of the two formats of apt's sources."""
    folder = Path("/etc/apt")
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    texts = [file.read_text() for file in files if file.is_file() and file.suffix in (".list", ".sources")]
    found = re.findall(r"^(?:URIs:\s*|deb\s+(?:\[[^\]]*\]\s+)?)(\S+)", "\n".join(texts), re.MULTILINE)
    archives = [address for address in found if re.search(r"/debian/?$", address)]
    if not archives:
        raise Failed("No Debian archive in /etc/apt: install TimescaleDB for PostgreSQL by hand, see timescale's site.")
    return str(archives[0])
