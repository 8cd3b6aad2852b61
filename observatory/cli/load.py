"""`observatory load`: starts a load test as a program of its own; nothing of it runs in this process."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from observatory.cli.options import AtMost, Json, parse_duration
from observatory.cli.outside import START, settings
from observatory.cli.problems import Problem, wrong_usage
from observatory.cli.programs import CHECKOUT
from observatory.cli.up import ill

Kind = Literal["http", "stream", "kafka", "mixed"]
_USERS: dict[Kind, tuple[str, ...]] = {
    "http": ("PlainUser",),
    "stream": ("StreamUser",),
    "kafka": ("KafkaUser",),
    "mixed": ("PlainUser", "StreamUser", "KafkaUser"),
}


def load(
    *,
    users: Annotated[int, Parameter(help="How many concurrent users.", validator=Number(gte=1))] = 100,
    spawn_rate: Annotated[float, Parameter(help="Users started a second.", validator=Number(gt=0, lte=1e6))] = 50,
    duration: Annotated[str, Parameter(help="How long, for example 60s.")] = "60s",
    kind: Annotated[Kind, Parameter(help="Plain HTTP, streams over HTTP, topics, or all of them.")] = "http",
    web: Annotated[bool, Parameter(help="Locust's own web page instead of a headless run.")] = False,
    trace: Annotated[Path | None, Parameter(help="Replay an arrival trace in Azure's format instead.")] = None,
    speed: Annotated[
        float, Parameter(help="How many times faster than the trace was recorded.", validator=Number(gt=0, lt=1e6))
    ] = 1,
    limit: Annotated[AtMost | None, Parameter(help="Only so many rows of the trace.")] = None,
    json: Json = False,
) -> int:
    """Run a load test against the running stack.

    All load goes to the simulated model. The exit code is 1 when a threshold was missed (1,000 messages a minute of
    100 users, 95 % of the answers within 3 s, less than 1 % errors), or when a replayed trace was billed wrongly.

    Some uses:

    `observatory load --users 100 --kind stream --duration 60s`

    `observatory load --web`

    `observatory load --trace trace.csv --speed 10 --kind kafka`
    """
    output = ["--json"] if json else []
    if trace is not None:
        return _replay(trace, speed, limit, kind, output)
    if find_spec("locust") is None:
        raise Problem("locust is not installed: pip install 'llm-observatory[load]'")
    config = settings()
    options = ["--users", str(users), "--spawn-rate", str(spawn_rate)]
    seconds = max(1, round(parse_duration(duration).total_seconds()))
    mode = ["--web-host", "127.0.0.1"] if web else ["--headless", "--run-time", f"{seconds}s", "--only-summary"]
    host = f"http://{config.http_host}:{config.http_port}"
    if kind != "kafka" and (why := ill(f"{host}/readyz")) is not None:
        raise Problem(f"the gateway at {host} does not answer: {why}; {START}")
    return _run("locust", "-f", "loadtests/locustfile.py", "--host", host, *options, *mode, *output, *_USERS[kind])


def _replay(trace: Path, speed: float, limit: int | None, kind: Kind, output: list[str]) -> int:
    if not trace.is_file():
        raise wrong_usage(f"there is no file {trace}")
    if kind not in ("http", "kafka"):
        raise wrong_usage(f"a trace is replayed with --kind http or kafka, not {kind}")
    most = [] if limit is None else ["--limit", str(limit)]
    options = ["--trace", str(trace.resolve()), "--speed", str(speed), "--via", kind, *most]
    return _run("loadtests.replay", *options, *output)


def _run(module: str, *arguments: str) -> int:
    """The exit code of `python -m module`, run in the checkout; it has our terminal."""
    environment = {**os.environ, "OBSERVATORY_KAFKA": settings().kafka.bootstrap}
    try:
        return subprocess.call([sys.executable, "-m", module, *arguments], cwd=CHECKOUT, env=environment)
    except KeyboardInterrupt:  # it got the signal as well, and has said what it had to say
        return 130
