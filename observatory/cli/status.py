"""`observatory status`: processes, services, lag, watermark and open work; says what it can when parts are down."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from infra.native import stack
from infra.native.stack import ProcessStatus
from observatory.adapters.bill import BillStatus, BillUnavailable, SimulatorBill
from observatory.adapters.kafka import topic_name
from observatory.adapters.lag import Lag, read_lags, working_groups
from observatory.adapters.postgres.costs import watermark
from observatory.adapters.settings import Settings
from observatory.adapters.verification import Busy, read_busy
from observatory.cli.costs import watermark_line
from observatory.cli.options import Json
from observatory.cli.output import add_row, print_json, stdout, table
from observatory.cli.outside import database, kafka_problems, settings
from observatory.cli.problems import FAILED, Problem
from observatory.cli.programs import Part, data_dir, parts_of, stack_spec
from observatory.cli.up import addresses, ill
from schemas.topics import LLM_CALLS
from streams.folds.catalogue import STREAMED_TOPICS

T = TypeVar("T")
PATIENCE_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Status:
    """What was found; None where it could not be asked, and then `problems` says why."""

    processes: list[ProcessStatus]
    ill: Mapping[str, str]
    lags: list[Lag] | None
    busy: Busy | None
    watermark: datetime | None
    simulator: BillStatus | None
    problems: list[str]

    @property
    def ok(self) -> bool:
        """Everything that should run runs and answers."""
        return not self.problems and not self.ill and all(p.state == "running" for p in self.processes)


async def status(*, json: Json = False) -> int:
    """Show each process with its state and memory, where services are, lag, watermark and work under way.

    The exit code is 1 when something that should run does not.

    Some uses:

    `observatory status`

    `observatory status --json`
    """
    config = settings()
    found = await read_status(config)
    if json:
        print_json(_as_json(config, found), indent=True)
    else:
        _print(config, found)
    return 0 if found.ok else FAILED


async def read_status(config: Settings) -> Status:
    """Asks everything at once; what does not answer within `PATIENCE_S` becomes a problem."""
    folder = data_dir()
    parts = parts_of(config, folder)
    spec = stack_spec(config, parts)
    problems: list[str] = []
    processes, ill_ones, lags, state, simulator = await asyncio.gather(
        asyncio.to_thread(stack.status, spec),
        _ill_ones(parts),
        _ask("Kafka", _lags(config), problems),
        _ask("PostgreSQL", _state(config), problems),
        _ask("simulator", _simulator(config), problems),
    )
    busy, moment = state or (None, None)
    return Status(
        processes=processes,
        ill=ill_ones,
        lags=lags,
        busy=busy,
        watermark=moment,
        simulator=simulator,
        problems=problems,
    )


async def _ask(what: str, answer: Awaitable[T], problems: list[str]) -> T | None:
    """The answer, or None and a problem noted."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await answer
    except Problem as problem:
        problems.append(str(problem))
    except TimeoutError:
        problems.append(f"{what} has not answered within {PATIENCE_S:.0f} s")
    return None


async def _ill_ones(parts: tuple[Part, ...]) -> dict[str, str]:
    reasons = await asyncio.gather(*(asyncio.to_thread(ill, part.health_url) for part in parts))
    return {part.name: reason for part, reason in zip(parts, reasons, strict=True) if reason is not None}


async def _lags(config: Settings) -> list[Lag]:
    with kafka_problems(config.kafka):
        return await read_lags(config.kafka, working_groups(config.kafka, STREAMED_TOPICS))


async def _state(config: Settings) -> tuple[Busy, datetime | None]:
    async with database(config.database_url) as pool:
        return await read_busy(pool), await watermark(pool, topic_name(config.kafka, LLM_CALLS))


async def _simulator(config: Settings) -> BillStatus | None:
    url = config.providers.simulator_url
    if not url:
        return None
    try:
        return await SimulatorBill(url).status()
    except BillUnavailable as error:
        raise Problem(str(error)) from error


def _as_json(config: Settings, found: Status) -> dict[str, object]:
    return {
        "ok": found.ok,
        "problems": found.problems,
        "addresses": addresses(config),
        "processes": [
            {**dataclasses.asdict(process), "health": _health(process, found)} for process in found.processes
        ],
        "memory_bytes": sum(process.memory_bytes or 0 for process in found.processes),
        "lags": None if found.lags is None else [dataclasses.asdict(lag) for lag in found.lags],
        "under_way": None if found.busy is None else vars(found.busy),
        "watermark": found.watermark,
        "simulator": None if found.simulator is None else dataclasses.asdict(found.simulator),
    }


def _health(process: ProcessStatus, found: Status) -> str | None:
    """None for a process that does not run, whoever may answer at its address."""
    return found.ill.get(process.name, "ok") if process.state == "running" else None


def _print(config: Settings, found: Status) -> None:
    out = stdout()
    rows = table(["process", "state", "health", "pid", "up", "memory MB"], left=3)
    for process in found.processes:
        memory = None if process.memory_bytes is None else round(process.memory_bytes / 1e6)
        health = _health(process, found)
        pid = None if process.pid is None else str(process.pid)
        style = None if health == "ok" else "red"
        add_row(rows, process.name, process.state, health, pid, _ago(process.uptime_s), memory, style=style)
    total = round(sum(process.memory_bytes or 0 for process in found.processes) / 1e6)
    rows.add_section()
    add_row(rows, "total", "", "", "", "", total, style="bold")
    out.print(rows)
    places = table(["service", "address"], left=2)
    for name, place in addresses(config).items():
        add_row(places, name, place)
    out.print()
    out.print(places)
    out.print()
    _print_work(found)
    for problem in found.problems:
        out.print(f"[red]✗[/red] {problem}")


def _print_work(found: Status) -> None:
    out = stdout()
    for lag in found.lags or []:
        out.print(f"{lag.group} on {lag.topic}: {lag.records:,} behind")
    if found.busy is not None:
        shown = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in vars(found.busy).items() if count)
        out.print(f"under way: {shown or 'nothing'}")
        out.print(f"ledger: {watermark_line(found.watermark)}")
    if found.simulator is not None:
        out.print(f"simulator: {found.simulator.in_flight:,} calls in flight")


def _ago(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
