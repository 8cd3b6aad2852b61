"""A whole stack under load whose parts are killed at random: not one call is lost or doubled."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.scenarios.programs import CHECKOUT, running_programs
from tests.stack import LiveStack, live_stack

CHAOS = (sys.executable, "-m", "loadtests.chaos")
KILLS, SEED = 6, 19  # a seed that kills each kind of process once, and the gateway twice


@pytest.fixture
def chaos_stack() -> Iterator[LiveStack]:
    """A stack of its own: what is killed here is nobody else's."""
    with live_stack("chaos-test", durable=True) as live:
        yield live


@pytest.fixture
def programs(chaos_stack: LiveStack) -> Iterator[dict[str, str]]:
    """The programs beside it; yields their environment."""
    with running_programs(chaos_stack, OBSERVATORY_CHAT_WORKERS="2") as environment:
        yield environment


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
