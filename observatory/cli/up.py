"""`observatory up`: services, migrations, topics, programs; returns when everything answers."""

import asyncio
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated

import orjson
from cyclopts import Parameter
from cyclopts.validators import Number

from infra.native import stack
from infra.native.locations import NotInstalled
from observatory.adapters.settings import MOST_PROCESSES, Settings
from observatory.cli.migrate import migrate_all
from observatory.cli.options import Json
from observatory.cli.output import add_row, print_json, stderr, stdout, table
from observatory.cli.outside import settings, without_password
from observatory.cli.problems import Problem
from observatory.cli.programs import Part, data_dir, parts_of, stack_spec
from observatory.cli.scraping import write_prometheus_config

HEALTHY_S = 45.0
_PAUSE_S = 0.05


@dataclass
class Timings:
    """How long each step took, in seconds; each is reported as it ends."""

    report: Callable[[str], None]
    steps: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measures what happens within."""
        began = time.monotonic()
        yield
        self.steps[name] = round(time.monotonic() - began, 2)
        self.report(f"  {name:<28} {self.steps[name]:6.2f} s")


async def up(
    *,
    chat_workers: Annotated[
        int | None,
        Parameter(help="How many; else OBSERVATORY_CHAT_WORKERS, else 2.", validator=Number(gte=0, lte=MOST_PROCESSES)),
    ] = None,
    json: Json = False,
) -> int:
    """Start the stack and return when everything answers; quick when it runs already.

    A service whose URL is set (OBSERVATORY_KAFKA, OBSERVATORY_DATABASE_URL) is used and not started. Data goes to
    OBSERVATORY_DATA_DIR, else to a folder that belongs to this checkout. `observatory down` stops it again.

    Some uses:

    `observatory up`

    `observatory up --chat-workers 4`
    """
    config = settings()
    if chat_workers is not None:
        config = config.model_copy(update={"chat_workers": chat_workers})
    timings = Timings(lambda line: stderr().print(line, markup=False))
    began = time.monotonic()
    was_running = await _start(config, timings)
    total_s = round(time.monotonic() - began, 2)
    if json:
        print_json({"total_s": total_s, "steps": timings.steps, "was_running": was_running, **addresses(config)})
    else:
        _print_addresses(config, total_s, was_running=was_running)
    return 0


async def _start(config: Settings, timings: Timings) -> bool:
    """Brings everything up; tells whether the stack was running before."""
    try:
        folder = data_dir()
        parts = parts_of(config, folder)
        spec = stack_spec(config, parts)
        was_running = await asyncio.to_thread(stack.is_running, spec)
        with timings.step("Kafka and PostgreSQL"):
            await asyncio.to_thread(stack.prepare, spec)
            write_prometheus_config(parts, folder)
            await asyncio.to_thread(stack.start, spec)
        with timings.step("migrations and topics"):
            await migrate_all(config)
        with timings.step("programs started"):
            await asyncio.to_thread(stack.start_programs, spec)
        with timings.step("programs healthy"):
            await _all_healthy(parts, lambda name: str(stack.log_file(spec, name)))
    except (stack.StackError, NotInstalled) as error:
        raise Problem(str(error)) from error
    return was_running


async def _all_healthy(parts: Sequence[Part], log_of: Callable[[str], str]) -> None:
    """Returns when every program's health address answers 200. Raises `Problem` with the name of one that does not."""
    deadline = time.monotonic() + HEALTHY_S
    for part in parts:
        while (why := await asyncio.to_thread(ill, part.health_url)) is not None:
            if time.monotonic() > deadline:
                raise Problem(f"{part.name} is not healthy at {part.health_url}: {why}; its log: {log_of(part.name)}")
            await asyncio.sleep(_PAUSE_S)


def ill(url: str) -> str | None:
    """Why a health address does not answer 200; None when it does."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  # our own http addresses
            answer.read()
            return None
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}: {error.read(500).decode(errors='replace')}"
    except (OSError, ValueError) as error:
        return str(error)


def addresses(config: Settings) -> dict[str, str | None]:
    """Where the stack is reached."""
    return {
        "http": f"http://{config.http_host}:{config.http_port}",
        "kafka": config.kafka.bootstrap,
        "database": without_password(config.database_url),
        "simulator": config.providers.simulator_url,
        "data": str(data_dir()),
    }


def _print_addresses(config: Settings, total_s: float, *, was_running: bool) -> None:
    places = addresses(config)
    rows = table(["what", "where"], left=2)
    add_row(rows, "web page", f"{places['http']}/")
    add_row(rows, "HTTP API", f"{places['http']} (its OpenAPI document at /openapi.json)")
    add_row(rows, "OpenAI clients", f"base_url={places['http']}/v1")
    for name in ("kafka", "database", "simulator", "data"):
        add_row(rows, name, places[name])
    stdout().print(rows)
    state = "was running already; checked" if was_running else "is up"
    stdout().print(f"The stack {state} in {total_s:.1f} s. Try: observatory demo; stop it with: observatory down")


def json_of(url: str) -> dict[str, object]:
    """The JSON object at one of our own addresses. Raises `OSError` when nobody answers, `ValueError` for no JSON."""
    with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  # our own http addresses
        value = orjson.loads(answer.read())
    if not isinstance(value, dict):
        raise ValueError(f"{url} gives no JSON object")
    return value
