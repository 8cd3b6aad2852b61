"""One run: load and kills side by side, then quiet, then the proof from inside and from the clients' side."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from loadtests.chaos.budgets import BudgetProof, close_and_prove, open_budgets
from loadtests.chaos.http import HttpClient
from loadtests.chaos.killing import Killer, say
from loadtests.chaos.plan import AFTER_OUTAGE_S, KILLS_S, SIMULATOR, kind_of, outage, plan
from loadtests.chaos.proof import Said, addresses, settle_and_verify
from loadtests.chaos.topics import Positions, TopicClient, ends, outcomes_since
from loadtests.chaos.traffic import Planned, budgeted_users, new_run, traffic

LEAST_LOAD_S = 5.0
PATIENCE_S = 180.0
"""How long the last answers and quiet are waited for: a lease that ends, a deadline, a service that recovers."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is asked for. `services` is where Kafka and PostgreSQL run when that is not the stack's own folder."""

    kills: int
    seed: int
    rate: float
    duration_s: float | None = None
    outage: str | None = None
    kill_simulator: bool = False
    services: Path | None = None


async def run(options: Options) -> dict[str, object]:
    """The verdict. Raises `BenchError` when the stack cannot be worked with."""
    places = await addresses()
    killer = Killer([Path(places["data"]), *([options.services] if options.services else [])])
    outages = [outage(options.outage, AFTER_OUTAGE_S)] if options.outage else []
    away_s = sum(strike.for_s for strike in outages)
    duration_s = options.duration_s or max(options.kills * KILLS_S, LEAST_LOAD_S) + away_s
    may_die = [name for name in killer.processes() if options.kill_simulator or kind_of(name) != SIMULATOR]
    strikes = plan(may_die, kills=options.kills, seed=options.seed, duration_s=duration_s, outages=outages)
    start = await ends(places["kafka"])
    say(f"{len(strikes)} strikes in {duration_s:.0f} s at {options.rate:g} requests/s")
    run_number = new_run()
    users = budgeted_users(run_number)
    await open_budgets(users, options.rate * duration_s)
    load = Load(places["kafka"], places["http"], options, run_number)
    began = time.monotonic()
    await load.start()
    try:
        killing = asyncio.create_task(killer.carry_out(strikes))
        await load.send_for(duration_s)
        await killing
        unanswered = await load.finish(PATIENCE_S)
    finally:
        await load.stop()
    say("waiting for quiet, then reconciling and verifying")
    proof = await settle_and_verify(PATIENCE_S)
    budgets = await close_and_prove(users)
    client = await load.judge(places["kafka"], start, unanswered)
    return _verdict(options, killer, proof, client, budgets, time.monotonic() - began)


class Load:
    """All clients together. Every request is a task of its own that ends when its client has what it wants."""

    def __init__(self, kafka: str, http: str, options: Options, run_number: int) -> None:
        self._topics, self._http = TopicClient(kafka), HttpClient(http, options.seed)
        self._source: Iterator[Planned] = traffic(options.seed, run_number)
        self._every_s = 1 / options.rate
        self._tasks: dict[asyncio.Task[None], UUID] = {}
        self.sent = 0

    async def start(self) -> None:
        """Connects."""
        await self._topics.start()

    async def stop(self) -> None:
        """Ends what still waits, and disconnects."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.stop()
        await self._topics.stop()

    async def send_for(self, seconds: float) -> None:
        """Sends at the rate, whatever becomes of what was sent before."""
        began = time.monotonic()
        while (due := self.sent * self._every_s) < seconds:
            await asyncio.sleep(max(0.0, began + due - time.monotonic()))
            planned = next(self._source)
            ask = self._http.ask if planned.way == "http" else self._topics.ask
            self._tasks[asyncio.create_task(ask(planned.request))] = planned.request.request_id
            self.sent += 1

    async def finish(self, patience_s: float) -> list[UUID]:
        """Waits for all clients; returns the requests whose client still waits, raises what one of them raised."""
        done, waiting = await asyncio.wait(self._tasks, timeout=patience_s)
        for task in done:
            task.result()
        return [self._tasks[task] for task in waiting]

    async def judge(self, kafka: str, start: Positions, unanswered: Sequence[UUID]) -> dict[str, object]:
        """What the clients found: every request that was acknowledged has exactly one distinct outcome."""
        outcomes = await outcomes_since(kafka, start)
        owed = self._topics.acknowledged | {request for request, answers in self._http.answers.items() if answers}
        differing = [request for request, answers in self._http.answers.items() if len(answers) > 1]
        return {
            "sent": self.sent,
            "owed": len(owed),
            "outcomes": len(outcomes),
            "http_repeats": self._http.repeats,
            "http_refused_by_a_budget": sum("failed budget_exceeded" in found for found in self._http.answers.values()),
            "clients_still_waiting": [str(request) for request in unanswered],
            "without_outcome": [str(request) for request in owed if request not in outcomes],
            "with_two_outcomes": [str(request) for request, found in outcomes.items() if len(found) > 1],
            "with_two_http_answers": [str(request) for request in differing],
        }


def _verdict(
    options: Options,
    killer: Killer,
    proof: Said,
    client: dict[str, object],
    budgets: Sequence[BudgetProof],
    seconds: float,
) -> dict[str, object]:
    kills: dict[str, int] = {}
    for entry in killer.timeline:
        if str(entry["what"]).startswith("kill"):
            kills[str(entry["target"])] = kills.get(str(entry["target"]), 0) + 1
    wrong = [name for name, found in client.items() if isinstance(found, list) and found]
    return {
        "ok": proof["ok"] is True and not wrong and all(budget.ok for budget in budgets),
        "seed": options.seed,
        "seconds": round(seconds, 1),
        "kills": kills,
        "timeline": killer.timeline,
        "client": client,
        "budgets": [budget.told() for budget in budgets],
        "problems": proof["problems"],
        "legs": proof["legs"],
        "requests": proof["requests"],
        "outcomes": proof["topic"],
        "differences": proof["differences"],
        "rollup_differences": proof["rollup_differences"],
    }
