"""Install what is missing: `python3 infra/native/install.py`.

Java and Maven, PostgreSQL with TimescaleDB, the jars of Kafka, the Python environment, the web application; with
`--tools` also what checks and tests them, with `--system` only the part that needs root. What does not wait for
something else is done at the same time. What is there is left alone, and when nothing is missing no other program is
started. Only root can add Debian packages; anybody else is told what to install. A service that exists elsewhere
(`OBSERVATORY_KAFKA`, `OBSERVATORY_DATABASE_URL`) is not installed.

Standard library only: it runs before the project's own environment exists.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

if __name__ == "__main__":  # started as a file: its own package is not importable yet
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from infra.native import debian, environment, locations, steps, web
from infra.native.steps import Installer, all_at_once

POM = Path(__file__).resolve().parent / "kafka" / "pom.xml"


def main(options: list[str]) -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 - the system's python3 may be an old one
        found = "{}.{}".format(*sys.version_info[:2])
        print(f"Python 3.11 or newer is needed, this is {found}: install python3.11 or run on Debian 12.")
        return 1
    wanted = {"tools": "--tools" in options, "system": "--system" in options}
    return steps.main(lambda installer: install(installer, os.environ, **wanted))


def install(installer: Installer, variables: Mapping[str, str], *, tools: bool = False, system: bool = False) -> None:
    """Add whatever is missing for the services that are ours to run, and for the project's own environments.

    Raises `Failed`, before anything is fetched if it is for want of root.
    """
    missing = debian.missing_packages(variables)
    postgres = debian.postgres_is_missing(variables)
    browser = tools and locations.browser() is None
    if missing or postgres or browser:
        debian.refuse_without_root(missing, postgres=postgres, browser=browser)
    apt = debian.Apt(installer)
    debian.install_missing(apt, missing, variables)
    parts: list[Callable[[], None]] = [partial(install_from_debian, apt, postgres=postgres, browser=browser)]
    if not system:
        environment.FOLDER.mkdir(exist_ok=True)  # two of the parts put something into it
        parts += [partial(environment.install, installer), partial(web.install, installer, tools=tools)]
        if not variables.get("OBSERVATORY_KAFKA"):
            parts.append(partial(install_kafka, installer))
    all_at_once(parts)


def install_from_debian(apt: debian.Apt, *, postgres: bool, browser: bool) -> None:
    """One after the other: apt does one thing at a time."""
    if postgres:
        debian.install_postgres(apt)
    if browser:
        debian.install_browser(apt)


def install_kafka(installer: Installer) -> None:
    """Fetch the jars beside their final place and rename, so that a half-done or second install does no harm."""
    if locations.kafka_libs() is not None:
        return
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
