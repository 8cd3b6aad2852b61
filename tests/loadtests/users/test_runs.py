"""Whole runs of locust against a gateway that answers at once: the exit code tells whether thresholds were met.

Each is a process of its own: locust replaces threads and sockets of the process that imports it.
"""

import asyncio
import sys
from pathlib import Path

from tests.loadtests.bench.gateway import Answer, gateway, none, plain

CHECKOUT = Path(__file__).resolve().parents[3]
OPTIONS = ("--headless", "--users", "5", "--spawn-rate", "5", "--run-time", "4s", "--only-summary")


async def run_users(answer: Answer) -> tuple[int | None, str]:
    """The exit code of a short run, and what it said."""
    async with gateway(answer) as (host, port):
        command = ("-m", "locust", "-f", "loadtests/locustfile.py", "--host", f"http://{host}:{port}", *OPTIONS)
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, "PlainUser", cwd=CHECKOUT, stderr=asyncio.subprocess.PIPE
        )
        _, said = await process.communicate()
    return process.returncode, said.decode()


async def test_a_run_that_meets_its_thresholds_exits_with_0() -> None:
    code, said = await run_users(plain)
    assert code == 0, said
    assert "threshold missed" not in said


async def test_a_run_that_misses_a_threshold_exits_with_1_and_says_which() -> None:
    code, said = await run_users(none)
    assert code == 1
    assert "threshold missed: 100.00% of 5 messages failed, less than 1% may" in said
