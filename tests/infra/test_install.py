"""The installer leaves alone what is there, and what is somebody else's to run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.native import install, locations

INSTALL = Path(install.__file__)


class Untouchable(install.Installer):
    """Any attempt to run a program fails the test."""

    def run(self, *command: str, cwd: Path | None = None) -> None:
        raise AssertionError(f"ran {command}")


def test_nothing_is_done_when_nothing_is_missing() -> None:
    done = subprocess.run([sys.executable, str(INSTALL)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_service_that_runs_elsewhere_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(locations, "postgres_bin", lambda: None)
    monkeypatch.setenv("OBSERVATORY_KAFKA", "broker:9092")
    monkeypatch.setenv("OBSERVATORY_DATABASE_URL", "postgresql://database/observatory")
    install.install(Untouchable(tmp_path / "log"), os.environ)


def test_a_failed_step_quotes_its_program_and_names_the_log(tmp_path: Path) -> None:
    installer = install.Installer(tmp_path / "log")
    with pytest.raises(install.Failed, match=r"(?s)no such mirror.*The whole log: .*log"):
        installer.run("sh", "-c", "echo no such mirror; exit 1")


def test_an_interrupted_download_of_kafka_is_not_taken_for_kafka(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(install.Installer):
        def run(self, *command: str, cwd: Path | None = None) -> None:
            target = Path(command[-1].partition("=")[2])
            target.mkdir()
            (target / "first.jar").touch()
            raise install.Failed("network is down")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(install.Failed):
        install.install_kafka(Interrupted(tmp_path / "log"))
    assert locations.kafka_libs() is None
    assert list(locations.kafka_home().iterdir()) == []
