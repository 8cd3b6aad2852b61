"""Gateway, workers, ledger and simulator as `observatory up` starts them, beside a Kafka and a PostgreSQL that run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.native.ports import free_ports
from tests.stack import LiveStack

CHECKOUT = Path(__file__).parents[2]
OBSERVATORY = (sys.executable, "-m", "observatory.cli.main")


@contextmanager
def running_programs(live: LiveStack, **settings: str) -> Iterator[dict[str, str]]:
    """Starts them with short leases and these `settings`; yields their environment."""
    http, simulator, metrics = free_ports(3)
    environment = {
        **os.environ,
        "OBSERVATORY_DATA_DIR": str(live.data_dir / "programs"),
        "OBSERVATORY_KAFKA": live.kafka,
        "OBSERVATORY_DATABASE_URL": live.database_url,
        "OBSERVATORY_SIMULATOR_URL": f"http://127.0.0.1:{simulator}",
        "OBSERVATORY_HTTP_PORT": str(http),
        "OBSERVATORY_METRICS_PORT": str(metrics),
        "OBSERVATORY_CHAT_LEASE_S": "3",
        "OBSERVATORY_CHAT_RENEW_S": "1",
        "OBSERVATORY_CHAT_SWEEP_S": "1",
        **settings,
    }
    try:
        observatory(environment, "up")
        yield environment
    finally:
        observatory(environment, "down")


def observatory(environment: dict[str, str], *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs one command and returns it with what it printed."""
    done = subprocess.run(
        [*OBSERVATORY, *arguments], env=environment, capture_output=True, text=True, timeout=120, cwd=CHECKOUT,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0 or not check, f"{arguments}: {done.stdout}{done.stderr}"
    return done
