"""Gateway, workers, ledger and simulator as `observatory up` starts them, beside a Kafka and a PostgreSQL that run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.native.ports import free_ports
from tests.stack import LiveStack

PATIENCE_S = 40.0
CHECKOUT = Path(__file__).parents[2]
OBSERVATORY = (sys.executable, "-m", "observatory.cli.main")


@contextmanager
def running_programs(live: LiveStack, **settings: str) -> Iterator[dict[str, str]]:
    """Starts them with short leases and these `settings`; yields their environment."""
    http, simulator, metrics = free_ports(3)
    environment = {
        **os.environ,
        # A folder of their own: the simulator's bill in it says what was served beside this database alone.
        "OBSERVATORY_DATA_DIR": str(live.data_dir / f"programs-{http}"),
        "OBSERVATORY_KAFKA": live.kafka,
        "OBSERVATORY_DATABASE_URL": live.database_url,
        "OBSERVATORY_SIMULATOR_URL": f"http://127.0.0.1:{simulator}",
        "OBSERVATORY_HTTP_PORT": str(http),
        "OBSERVATORY_METRICS_PORT": str(metrics),
        "OBSERVATORY_CHAT_WORKERS": "1",
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


class Stack:
    """The programs, as a client and a maintainer see them."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self._url = f"http://127.0.0.1:{environment['OBSERVATORY_HTTP_PORT']}"

    def chat(self, says: str, traceparent: str | None = None) -> tuple[str, str | None]:
        """Sends a completion; returns its request id, and its trace id when that trace is recorded."""
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": says}]}
        headers = {"content-type": "application/json", "x-observatory-conversation": "talk"}
        if traceparent is not None:
            headers["traceparent"] = traceparent
        request = urllib.request.Request(
            f"{self._url}/v1/chat/completions", json.dumps(body).encode(), headers, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                headers = dict(answer.headers)
        except urllib.error.HTTPError as failed:
            headers = dict(failed.headers)
        return headers["x-observatory-request-id"], headers.get("x-observatory-trace-id")

    def post(self, path: str, body: object) -> Any:
        """The JSON that an address of the API answers to a body."""
        url, headers = f"{self._url}/api/v1/{path}", {"content-type": "application/json"}
        request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def get(self, path: str) -> Any:
        """The JSON at an address of the API; None for 404."""
        try:
            with urllib.request.urlopen(f"{self._url}/api/v1/{path}", timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def until(self, path: str, condition: Callable[[Any], bool]) -> Any:
        """Asks again until what is answered makes the condition true."""
        end, found = time.monotonic() + PATIENCE_S, None
        while time.monotonic() < end:
            found = self.get(path)
            if found is not None and condition(found):
                return found
            time.sleep(0.1)
        raise AssertionError(f"{path}: {found}")
