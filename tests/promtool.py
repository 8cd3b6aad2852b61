"""`promtool`, which Prometheus brings: the one on the path, else Debian's, fetched once into the user's cache."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from infra.native.locations import kafka_home

PATIENCE_S = 90


def promtool() -> str:
    """The program. Skips the test where there is none and none can be had without being root."""
    found = shutil.which("promtool")
    if found:
        return found
    cached = kafka_home().parent / "promtool"
    if not cached.is_file():
        _fetch(cached)
    return str(cached)


def _fetch(target: Path) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        pytest.skip("no promtool on the path, and this is no Debian to fetch it from")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        done = subprocess.run(
            ["apt-get", "download", "-q", "prometheus"],
            cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        if done.returncode:
            pytest.skip(f"no promtool on the path, and apt has none: {done.stderr.strip()}")
        (package,) = Path(folder).glob("prometheus_*.deb")
        subprocess.run(["dpkg-deb", "-x", str(package), folder], check=True)
        (Path(folder) / "usr/bin/promtool").rename(target)
