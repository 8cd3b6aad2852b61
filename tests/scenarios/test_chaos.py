"""A whole stack under load whose parts are killed at random: not one call is lost or doubled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.native.ports import free_ports
from tests.stack import LiveStack, live_stack

CHECKOUT = Path(__file__).parents[2]
OBSERVATORY = (sys.executable, "-m", "observatory.cli.main")
CHAOS = (sys.executable, "-m", "loadtests.chaos")
KILLS, SEED = 6, 19  # a seed that kills each kind of process once, and the gateway twice


@pytest.fixture
def chaos_stack() -> Iterator[LiveStack]:
    """A stack of its own: what is killed here is nobody else's."""
    with live_stack("chaos-test") as live:
        yield live


@pytest.fixture
def programs(chaos_stack: LiveStack) -> Iterator[dict[str, str]]:
    """The programs beside it; yields their environment."""
    http, simulator, metrics = free_ports(3)
    folder = chaos_stack.data_dir / "programs"
    environment = {
        **os.environ,
        "OBSERVATORY_DATA_DIR": str(folder),
        "OBSERVATORY_KAFKA": chaos_stack.kafka,
        "OBSERVATORY_DATABASE_URL": chaos_stack.database_url,
        "OBSERVATORY_SIMULATOR_URL": f"http://127.0.0.1:{simulator}",
        "OBSERVATORY_HTTP_PORT": str(http),
        "OBSERVATORY_METRICS_PORT": str(metrics),
        "OBSERVATORY_CHAT_LEASE_S": "3",
        "OBSERVATORY_CHAT_RENEW_S": "1",
        "OBSERVATORY_CHAT_SWEEP_S": "1",
    }
    try:
        subprocess.run([*OBSERVATORY, "up"], env=environment, check=True, timeout=60, cwd=CHECKOUT)
        yield environment
    finally:
        subprocess.run([*OBSERVATORY, "down"], env=environment, check=True, timeout=60, cwd=CHECKOUT)


@pytest.mark.timeout(300)
def test_random_kills_under_load_lose_and_double_nothing(chaos_stack: LiveStack, programs: dict[str, str]) -> None:
    options = f"--kills {KILLS} --seed {SEED} --duration 12 --json --services {chaos_stack.data_dir}".split()
    command = [*CHAOS, *options]
    done = subprocess.run(command, env=programs, stdout=subprocess.PIPE, timeout=280, cwd=CHECKOUT, check=False)
    verdict = json.loads(done.stdout)
    assert verdict["ok"], json.dumps(verdict, indent=1)
    assert done.returncode == 0
    assert sum(verdict["kills"].values()) == KILLS
    assert verdict["client"]["sent"] == verdict["client"]["owed"] == verdict["client"]["outcomes"]
