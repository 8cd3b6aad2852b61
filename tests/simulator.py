"""The provider simulator as a real process on a free port, with a bill of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection

from infra.native.ports import free_ports

STARTING_S = 20.0
BILLING_S = 10.0


@dataclass(frozen=True)
class Simulator:
    """A running simulator: `url` is its address, `bill_path` its append-only bill."""

    url: str
    bill_path: Path

    def bill_of(self, call_id: object) -> dict[str, object]:
        """The final line of the bill for a call. Waits until the simulator has finished with it."""
        deadline = time.monotonic() + BILLING_S
        while time.monotonic() < deadline:
            lines = [json.loads(line) for line in self.bill_path.read_bytes().splitlines()]
            mine = [line for line in lines if line["call_id"] == str(call_id)]
            if mine and mine[-1]["state"] != "open":
                return dict(mine[-1])
            with urllib.request.urlopen(f"{self.url}/sim/bill/status", timeout=5) as answer:
                answer.read()
        raise AssertionError(f"the simulator has no finished bill for call {call_id}")


@contextmanager
def running_simulator(folder: Path) -> Iterator[Simulator]:
    """Starts a simulator whose bill is in `folder`, and ends it."""
    (port,) = free_ports(1)
    bill = folder / "bill.jsonl"
    command = [sys.executable, "-m", "loadtests.simulator", "--port", str(port), "--bill", str(bill)]
    process = subprocess.Popen(command)
    try:
        _wait_for_port(process, port)
        yield Simulator(f"http://127.0.0.1:{port}", bill)
    finally:
        process.terminate()
        process.wait(10)


def _wait_for_port(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + STARTING_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            continue
        return
    raise AssertionError(f"the simulator did not listen on port {port} (exit code {process.poll()})")
