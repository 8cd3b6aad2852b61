"""The installer leaves alone what is there, and what is somebody else's to run."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from infra.native import debian, install, locations
from infra.native.steps import Failed, Installer, all_at_once

INSTALL = Path(install.__file__)


class Untouchable(Installer):
    """Any attempt to run a program fails the test."""

    def run(self, *command: str, cwd: Path | None = None, environment: Mapping[str, str] | None = None) -> None:
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
    installer = Installer(tmp_path / "log")
    with pytest.raises(Failed, match=r"(?s)no such mirror.*The whole log: .*log"):
        installer.run("sh", "-c", "echo no such mirror; exit 1")


def test_an_interrupted_download_of_kafka_is_not_taken_for_kafka(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(Installer):
        def run(self, *command: str, cwd: Path | None = None, environment: Mapping[str, str] | None = None) -> None:
            target = Path(command[-1].partition("=")[2])
            target.mkdir()
            (target / "first.jar").touch()
            raise Failed("network is down")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(Failed):
        install.install_kafka(Interrupted(tmp_path / "log"))
    assert locations.kafka_libs() is None
    assert list(locations.kafka_home().iterdir()) == []


def test_whoever_is_not_root_is_told_of_all_that_is_missing_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "mvn" else f"/usr/bin/{name}")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(locations, "java", lambda: None)
    monkeypatch.setattr(locations, "postgres_bin", lambda: None)
    with pytest.raises(Failed) as failure:
        install.install(Untouchable(tmp_path / "log"), {})
    said = str(failure.value)
    for name in ("Python's venv", "Java 17", "Maven", "PostgreSQL with TimescaleDB", "install.py --system"):
        assert name in said
    assert "\n" not in said


def test_packages_that_anybody_may_ask_for_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(
        Failed, match=r"^Missing: Maven\. Install with `sudo apt-get install maven`, then run this again"
    ):
        debian.refuse_without_root({"Maven": "maven"}, postgres=False, browser=False)


def test_a_part_that_fails_leaves_the_others_to_their_end() -> None:
    failed = threading.Event()
    done: list[str] = []

    def fail() -> None:
        failed.set()
        raise Failed("no network")

    def wait_and_work() -> None:
        assert failed.wait(10)
        done.append("worked")

    with pytest.raises(Failed, match=r"^no network$"):
        all_at_once([fail, wait_and_work])
    assert done == ["worked"]


def test_steps_that_overlap_have_lines_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    installer = Installer(tmp_path / "log")
    with installer.step("outer"), installer.step("inner"):
        pass
    with installer.step("alone"):
        pass
    assert capsys.readouterr().out.splitlines() == [
        "  outer ...",
        "  inner ... 0.0 s",
        "  outer: 0.0 s",
        "  alone ... 0.0 s",
    ]


def test_a_program_that_fails_is_quoted_and_not_the_one_beside_it(tmp_path: Path) -> None:
    installer = Installer(tmp_path / "log")
    installer.run("echo", "from another part")
    with pytest.raises(Failed) as failure:
        installer.run("sh", "-c", "echo mine; exit 1")
    assert "mine" in str(failure.value)
    assert "another" not in str(failure.value)
    assert "from another part" in installer.log.read_text()


def test_an_apt_that_knows_no_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "asked", lambda command: "")
    with pytest.raises(Failed, match=r"^apt knows no package `postgresql`"):
        debian.packaged_postgres()


def test_the_postgresql_of_this_debian_is_read_from_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = "Package: postgresql\nVersion: 15+248\nDepends: postgresql-15\nSuggests: postgresql-doc\n"
    monkeypatch.setattr(debian, "asked", lambda command: shown)
    assert debian.packaged_postgres() == "15"
