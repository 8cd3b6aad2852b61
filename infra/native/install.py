"""Install what the native stack needs: `python3 infra/native/install.py`; with `--browser` what tests of pages need.

Java and Maven, PostgreSQL with TimescaleDB, and the jars of Kafka. What is there is left alone, and when nothing is
missing no other program is started. Only root can add Debian packages; anybody else is told what to install. A service
that exists elsewhere (`OBSERVATORY_KAFKA`, `OBSERVATORY_DATABASE_URL`) is not installed.

Standard library only: it runs before the project's own environment exists.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if __name__ == "__main__":  # started as a file: its own package is not importable yet
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from infra.native import locations

SOURCE_RELEASE = (
    "trixie"  # the Debian release whose source package of TimescaleDB is built where there is no binary one
)
SOURCE_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
CREATE_CLUSTER = Path("/etc/postgresql-common/createcluster.conf")
POM = Path(__file__).resolve().parent / "kafka" / "pom.xml"
APT_OPTIONS = [
    "-y",
    "-oDPkg::Lock::Timeout=600",
    "-oDpkg::Options::=--force-confdef",
    "-oDpkg::Options::=--force-confold",
]
BUILD_OPTIONS = [
    "-DAPACHE_ONLY=1",
    "-DREGRESS_CHECKS=OFF",
    "-DTAP_CHECKS=OFF",
    "-DWARNINGS_AS_ERRORS=OFF",
    "-DCMAKE_BUILD_TYPE=Release",
]


class Failed(RuntimeError):
    """The installation cannot go on; the message is for the user."""


class Installer:
    """Runs the steps: one line each with the seconds it took, all output of the programs in one log file."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.updated = False

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        print(f"  {title} ...", end="", flush=True)
        started = time.monotonic()
        try:
            yield
        except BaseException:
            print(" failed", flush=True)
            raise
        print(f" {time.monotonic() - started:.1f} s", flush=True)

    def run(self, *command: str, cwd: Path | None = None) -> None:
        """Run a program without a terminal; raises `Failed` with the end of its output."""
        environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C.UTF-8")
        with self.log.open("a") as log:
            log.write("\n$ {}\n".format(" ".join(command)))
            log.flush()
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=cwd,
                env=environment,
                check=False,
            )
        if done.returncode != 0:
            last = "\n".join("    " + line for line in self.log.read_text(errors="replace").splitlines()[-15:])
            raise Failed("`{}` failed:\n{}\n  The whole log: {}".format(" ".join(command), last, self.log))

    def apt_install(self, *packages: str) -> None:
        """Add Debian packages, refreshing apt's lists before the first ones."""
        names = ", ".join(packages)
        if shutil.which("apt-get") is None:
            raise Failed(f"Missing: {names}. This system has no apt: install the equivalents with its own tools.")
        if os.geteuid() != 0:
            again = "sudo apt-get install {}".format(" ".join(packages))
            raise Failed(f"Missing: {names}. Install with `{again}`, then run this again.")
        self.apt_update()
        with self.step(f"Debian packages {names}"):
            self.run("apt-get", "install", "--no-install-recommends", *APT_OPTIONS, *packages)

    def apt_update(self) -> None:
        if not self.updated and os.geteuid() == 0 and shutil.which("apt-get"):
            with self.step("package lists"):
                self.run("apt-get", "update", "-q", "-oDPkg::Lock::Timeout=600")
            self.updated = True


def main() -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 - the system's python3 may be an old one
        found = "{}.{}".format(*sys.version_info[:2])
        print(f"Python 3.11 or newer is needed, this is {found}: install python3.11 or run on Debian 12.")
        return 1
    descriptor, log = tempfile.mkstemp(prefix="llm-observatory-install-", suffix=".log")
    os.close(descriptor)
    installer = Installer(Path(log))
    try:
        if "--browser" in sys.argv[1:]:
            install_browser(installer)
        else:
            install(installer, os.environ)
    except Failed as failure:
        print(failure)
        return 1
    os.unlink(log)
    return 0


def install(installer: Installer, environment: os._Environ[str]) -> None:
    """Add whatever is missing for the services that are ours to run, and for a Python environment."""
    if importlib.util.find_spec("ensurepip") is None:  # Debian has it in a package of its own
        installer.apt_install("python3-venv")
    if not environment.get("OBSERVATORY_KAFKA"):
        install_java(installer)
        install_kafka(installer)
    if not environment.get("OBSERVATORY_DATABASE_URL"):
        install_postgres(installer)


def install_browser(installer: Installer) -> None:
    """Chromium, for tests only."""
    if locations.browser() is None:
        installer.apt_install("chromium")
    if locations.browser() is None:
        raise Failed("Chromium is missing: install it so that `chromium` is in the PATH.")


def install_java(installer: Installer) -> None:
    if locations.java() is None:
        installer.apt_install("default-jre-headless")
    if locations.java() is None:
        raise Failed(f"Java {locations.MINIMUM_JAVA} or newer is missing: install one or point JAVA_HOME at it.")


def install_kafka(installer: Installer) -> None:
    """Fetch the jars beside their final place and rename, so that a half-done or second install does no harm."""
    if locations.kafka_libs() is not None:
        return
    if shutil.which("mvn") is None:
        installer.apt_install("maven")
    home = locations.kafka_home()
    home.mkdir(parents=True, exist_ok=True)
    title = f"Kafka {locations.KAFKA_VERSION}"
    with installer.step(title), tempfile.TemporaryDirectory(dir=str(home), prefix="download-") as folder:
        fetched = Path(folder) / "libs"
        target = f"-DoutputDirectory={fetched}"
        installer.run("mvn", "-B", "-ntp", "-f", str(POM), "dependency:copy-dependencies", target)
        try:
            fetched.rename(home / "libs")
        except OSError:
            if locations.kafka_libs() is None:
                raise


def install_postgres(installer: Installer) -> None:
    """PostgreSQL with TimescaleDB: Debian's package where there is one, else built for Debian's PostgreSQL."""
    if locations.postgres_bin() is not None:
        return
    if os.geteuid() != 0:
        raise Failed(
            "PostgreSQL with TimescaleDB is missing: install it once with `sudo python3 infra/native/install.py`, "
            "or set OBSERVATORY_DATABASE_URL."
        )
    keep_default_cluster_away()
    installer.apt_update()
    packaged = packaged_timescaledb()
    if packaged:
        installer.apt_install(f"postgresql-{packaged}", f"postgresql-{packaged}-timescaledb")
    else:
        build_timescaledb(installer)
    if locations.postgres_bin() is None:
        raise Failed(f"TimescaleDB is not where PostgreSQL looks for it; the log: {installer.log}")


def keep_default_cluster_away() -> None:
    """Debian makes and starts a database on port 5432 with the first server package; nobody asked for that one."""
    if locations.newest_postgres() is None and not CREATE_CLUSTER.exists():
        CREATE_CLUSTER.parent.mkdir(parents=True, exist_ok=True)
        CREATE_CLUSTER.write_text(
            "# Written by LLM Observatory, which runs its own cluster.\ncreate_main_cluster = false\n"
        )


def packaged_timescaledb() -> str | None:
    """The newest PostgreSQL for which apt has TimescaleDB as a package."""
    if shutil.which("apt-cache") is None:
        return None
    search = ["apt-cache", "search", "--names-only", "^postgresql-[0-9]+-timescaledb$"]
    listed = subprocess.run(search, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=True).stdout.decode()
    majors = sorted(re.findall(r"^postgresql-(\d+)-timescaledb ", listed, re.MULTILINE), key=int)
    return majors[-1] if majors else None


def build_timescaledb(installer: Installer) -> None:
    """Build the source package of a newer Debian for the PostgreSQL of this one."""
    if locations.newest_postgres() is None:
        installer.apt_install("postgresql")
    major = locations.newest_postgres()
    if major is None:
        raise Failed(f"PostgreSQL's server is not in /usr/lib/postgresql; the log: {installer.log}")
    tools = ["gcc", "libc6-dev", "cmake", "make", "dpkg-dev", "libssl-dev", "libkrb5-dev"]
    installer.apt_install(f"postgresql-server-dev-{major}", *tools)
    with tempfile.TemporaryDirectory(prefix="timescaledb-") as folder:
        work = Path(folder)
        with installer.step("TimescaleDB's source"):
            source = fetch_source(installer, work)
        with installer.step(f"TimescaleDB for PostgreSQL {major}, built"):
            config = f"-DPG_CONFIG=/usr/lib/postgresql/{major}/bin/pg_config"
            installer.run("cmake", "-S", ".", "-B", "build", config, *BUILD_OPTIONS, cwd=source)
            installer.run("cmake", "--build", "build", f"-j{os.cpu_count() or 1}", cwd=source)
            installer.run("cmake", "--install", "build", cwd=source)


def fetch_source(installer: Installer, work: Path) -> Path:
    """Download and unpack the source package with package lists of its own: the system's stay as they are."""
    parts, lists = work / "sources", work / "lists"
    parts.mkdir()
    (lists / "partial").mkdir(parents=True)
    signed = f"[signed-by={SOURCE_KEYRING}] " if SOURCE_KEYRING.exists() else ""
    (parts / "source.list").write_text(f"deb-src {signed}{debian_mirror()} {SOURCE_RELEASE} main\n")
    options = [
        "-oDir::Etc::SourceList=/dev/null",
        f"-oDir::Etc::SourceParts={parts}",
        f"-oDir::State::Lists={lists}",
        "-oAPT::Sandbox::User=root",  # apt's own user cannot write into our folder
    ]
    installer.run("apt-get", "update", "-q", *options)
    installer.run("apt-get", "source", "--download-only", *options, "timescaledb", cwd=work)
    descriptions = sorted(work.glob("timescaledb_*.dsc"))
    if not descriptions:
        raise Failed(f"apt-get brought no source package of TimescaleDB; the log: {installer.log}")
    installer.run("dpkg-source", "-x", str(descriptions[-1]), str(work / "timescaledb"), cwd=work)
    return work / "timescaledb"


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


if __name__ == "__main__":
    sys.exit(main())
