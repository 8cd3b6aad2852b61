"""`observatory load`: starts a load test as a program of its own; nothing of it runs in this process."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from observatory.cli.options import Json
from observatory.cli.outside import settings
from observatory.cli.problems import wrong_usage
from observatory.cli.programs import CHECKOUT

Kind = Literal["http", "stream", "kafka"]
_USERS = {"http": "HttpUser", "stream": "StreamUser", "kafka": "KafkaUser"}


def load(
    *,
    users: Annotated[int, Parameter(help="How many concurrent users.")] = 100,
    spawn_rate: Annotated[float, Parameter(help="Users started a second.")] = 50,
    time: Annotated[str, Parameter(help="How long, for example 60s.")] = "60s",
    kind: Annotated[Kind, Parameter(help="Plain HTTP, streams over HTTP, or topics.")] = "http",
    web: Annotated[bool, Parameter(help="Locust's own web page instead of a headless run.")] = False,
    trace: Annotated[Path | None, Parameter(help="Replay an arrival trace in Azure's format instead.")] = None,
    speed: Annotated[float, Parameter(help="How many times faster than the trace was recorded.")] = 1,
    json: Json = False,
) -> int:
    """Run a load test against the running stack; exit code 1 when a threshold was missed.

    Some uses:

    `observatory load --users 100 --kind stream --time 60s`

    `observatory load --web`

    `observatory load --trace trace.csv --speed 10`
    """
    config = settings()
    output = ["--json"] if json else []
    if trace is not None:
        if not trace.is_file():
            raise wrong_usage(f"there is no file {trace}")
        return _run("loadtests.replay", "--trace", str(trace.resolve()), "--speed", str(speed), *output)
    options = ["--users", str(users), "--spawn-rate", str(spawn_rate)]
    headless = [] if web else ["--headless", "--run-time", time, "--only-summary"]
    host = f"http://{config.http_host}:{config.http_port}"
    return _run("locust", "-f", "loadtests/locustfile.py", "--host", host, *options, *headless, *output, _USERS[kind])


def _run(module: str, *arguments: str) -> int:
    """The exit code of `python -m module`, run in the checkout; it has our terminal."""
    return subprocess.call([sys.executable, "-m", module, *arguments], cwd=CHECKOUT)
