"""A simulator in a process of its own on a free port, and the ways in which the tests look at it."""

import asyncio
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from anthropic import AsyncAnthropic
from openai import AsyncAzureOpenAI, AsyncOpenAI

from infra.native.ports import free_ports
from loadtests.simulator.bill import BillLine, read_bill

_PATIENCE_S = 20.0


@dataclass
class RunningSimulator:
    """A simulator that listens on `port` and appends to `bill`."""

    port: int
    bill: Path
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def lines(self) -> dict[str | None, BillLine]:
        """The bill's last lines by call id."""
        return {line.call_id: line for line in read_bill(self.bill)}

    async def line(self, call_id: str) -> BillLine:
        """The final line of a call, as soon as it is there."""
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            line = self.lines().get(call_id)
            if line is not None and line.finished_at is not None:
                return line
            await asyncio.sleep(0.005)
        raise TimeoutError(f"no final line for {call_id}")

    async def open_line(self, call_id: str) -> BillLine:
        """The line of a stream that is being sent."""
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            line = self.lines().get(call_id)
            if line is not None and line.state == "open":
                return line
            await asyncio.sleep(0.005)
        raise TimeoutError(f"no open line for {call_id}")

    async def in_flight(self, count: int) -> None:
        """Wait until that many calls are in flight."""
        async with httpx2.AsyncClient(base_url=self.url) as http:
            deadline = time.monotonic() + _PATIENCE_S
            while time.monotonic() < deadline:
                if (await http.get("/sim/health")).json()["in_flight"] == count:
                    return
                await asyncio.sleep(0.005)
        raise TimeoutError(f"never {count} calls in flight")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    @asynccontextmanager
    async def openai(self, timeout_s: float = 30) -> AsyncIterator[AsyncOpenAI]:
        async with AsyncOpenAI(base_url=f"{self.url}/v1", api_key="any", max_retries=0, timeout=timeout_s) as client:
            yield client

    @asynccontextmanager
    async def azure(self) -> AsyncIterator[AsyncAzureOpenAI]:
        async with AsyncAzureOpenAI(
            azure_endpoint=self.url, api_key="any", api_version="2024-10-21", max_retries=0
        ) as client:
            yield client

    @asynccontextmanager
    async def anthropic(self, timeout_s: float = 30) -> AsyncIterator[AsyncAnthropic]:
        async with AsyncAnthropic(base_url=self.url, api_key="any", max_retries=0, timeout=timeout_s) as client:
            yield client


@contextmanager
def running_simulator(bill: Path, *options: str) -> Iterator[RunningSimulator]:
    """Start a simulator, and stop it at the end if it still runs."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "loadtests.simulator", "--port", str(port), "--bill", str(bill), *options]
    process = subprocess.Popen(command)
    try:
        _wait_until_listening(process, port)
        yield RunningSimulator(port, bill, process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(10)


def _wait_until_listening(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise RuntimeError("the simulator did not start")


def new_call() -> tuple[str, dict[str, str]]:
    """A fresh call id and the headers that carry it."""
    call_id = str(uuid.uuid4())
    return call_id, {"x-observatory-call-id": call_id}
