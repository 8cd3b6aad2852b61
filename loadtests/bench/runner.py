"""The bench in its parts: answers, freshness, the books, ledger and streams from a backlog, re-pricing, analytics."""

import asyncio
import os
import platform
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime

import asyncpg

from loadtests.bench import analytics, ledger_rate, repricing, stream_rate
from loadtests.bench.analytics_questions import QUESTIONS, Question
from loadtests.bench.call_events import publish_events
from loadtests.bench.closed_loop import ClosedLoop
from loadtests.bench.disk import fsync_ms
from loadtests.bench.freshness import Freshness
from loadtests.bench.http import post
from loadtests.bench.loads import LOADS, PATH, PLAIN_BODY, WARM_UP, Load
from loadtests.bench.phases import measured_cpu
from loadtests.bench.problems import BenchError
from loadtests.bench.processes import memory_bytes
from loadtests.bench.publishing import publish
from loadtests.bench.results import Measure, Results, of_backlog, of_delays, of_tallies
from loadtests.bench.span_events import span_events
from loadtests.bench.stack import Stack
from loadtests.bench.stream_rate import Database, Family
from loadtests.bench.tally import Tally
from schemas.topics import TRACE_SPANS

PARTS = ("answers", "freshness", "books", "ledger", "streams", "repricing", "analytics")
QUICK_PARTS = PARTS[:-1]
SETTLED_S = 3.0
FRESHNESS = ("event to queryable at 300 calls/s", "p99 < 1,000 ms")
FRESHNESS_RATE = 300
FRESHNESS_S = 12.0
BOOKS = ("bill = attempts = facts = rollups", "verify ok")
LEDGER = ("ledger, one process, from a backlog", "≥ 50,000/s")
LEDGER_EVENTS = 300_000
STREAMS_TARGET = "≥ 5,000/s"
REPRICING = ("re-pricing, one process", "≥ 16,667/s (1 M/min)")
REPRICED_FACTS = 1_000_000


class Bench:
    """Measures one stack. `say` is told what is being done, `show` gets each measure as it ends."""

    def __init__(
        self,
        stack: Stack,
        say: Callable[[str], None],
        show: Callable[[Measure], None],
        analytics_facts: int = analytics.FACTS,
    ) -> None:
        self._stack, self._say, self._show, self._analytics_facts = stack, say, show, analytics_facts
        self._measures: list[Measure] = []

    async def run(self, parts: Collection[str] = QUICK_PARTS) -> Results:
        """The parts that are wanted, each phase bounded in time; one that fails keeps no other from being measured.

        Raises `BenchError` when the stack does not even warm up.
        """
        self._say("letting the stack settle")
        await asyncio.sleep(SETTLED_S)
        memory = memory_bytes(self._stack.processes())
        disk_ms = fsync_ms(self._stack.data_dir)
        if "answers" in parts:
            for load in WARM_UP:
                self._say("warming up")
                await self._drive(load)
            for load in LOADS:
                await self._measure((load.name, load.target), self._loaded(load))
        for part, name, measuring in (
            ("freshness", FRESHNESS, self._freshness),
            ("books", BOOKS, self._books),
            ("ledger", LEDGER, self._ledger),
            ("repricing", REPRICING, self._repricing),
        ):
            if part in parts:
                await self._measure(name, measuring())
        if "streams" in parts:
            await self._streams()
        if "analytics" in parts:
            await self._analytics()
        return Results(
            machine=platform.platform(),
            cpus=os.cpu_count() or 1,
            fsync_ms=round(disk_ms, 2),
            idle_memory_bytes=memory,
            measures=self._measures,
        )

    async def _measure(self, phase: tuple[str, str], measuring: Awaitable[Measure]) -> None:
        try:
            measure = await measuring
        except BenchError as problem:
            measure = Measure(*phase, problem=str(problem))
        self._keep(measure)

    def _keep(self, measure: Measure) -> None:
        self._measures.append(measure)
        self._show(measure)

    async def _loaded(self, load: Load) -> Measure:
        with measured_cpu(self._stack.processes()) as cpu:
            tallies = []
            for number in range(load.runs):
                self._say(f"{load.name}: run {number + 1} of {load.runs}")
                tallies.append(await self._drive(load))
        return of_tallies(load.name, load.target, tallies, cpu)

    async def _drive(self, load: Load) -> Tally:
        request = post(self._stack.http_host, PATH, load.body)
        loop = ClosedLoop(request, load.check, connections=load.connections, seconds=load.seconds)
        tally = await loop.run(self._stack.http_host, self._stack.http_port)
        if tally.errors:
            raise BenchError(f"{tally.errors} answers were not what was asked for, the first: {tally.first_error}")
        return tally

    async def _freshness(self) -> Measure:
        name, target = FRESHNESS
        self._say(name)
        stack, freshness = self._stack, Freshness(self._stack.kafka, self._stack.database_url)
        request = post(stack.http_host, PATH, PLAIN_BODY)
        with measured_cpu(stack.processes()) as cpu:
            await freshness.run(request, stack.http_host, stack.http_port, rate=FRESHNESS_RATE, seconds=FRESHNESS_S)
        return of_delays(name, target, freshness.delays, cpu)

    async def _books(self) -> Measure:
        """Before the ledger is given events of calls that nobody made."""
        self._say("verifying that every call of the bench is in the books")
        calls = await asyncio.to_thread(self._stack.verified_calls)
        return Measure(*BOOKS, text=f"{calls:,} calls")

    async def _ledger(self) -> Measure:
        self._say(f"ledger: publishing {LEDGER_EVENTS:,} events while it is stopped")
        stack = self._stack
        await asyncio.to_thread(stack.only_ledgers, 0)
        database = await asyncpg.connect(stack.database_url)
        try:
            before = await ledger_rate.applied_records(database)
            await publish_events(stack.kafka, LEDGER_EVENTS)
            self._say("ledger: from the topic to facts and rollups")
            starting = asyncio.create_task(asyncio.to_thread(stack.only_ledgers, 1))
            rate = await ledger_rate.measure(database, LEDGER_EVENTS, before, stack.processes)
            await starting
        finally:
            await database.close()
        return of_backlog(*LEDGER, rate)

    async def _streams(self) -> None:
        """One measure for each family of processors, over the same events of its topic."""
        self._say(f"streams: publishing {stream_rate.EVENTS:,} events while they are stopped")
        stack = self._stack
        await asyncio.to_thread(stack.only_streams, "")
        database = await asyncpg.connect(stack.database_url)
        try:
            await publish_events(stack.kafka, stream_rate.EVENTS, in_conversations=True)
            await publish(stack.kafka, TRACE_SPANS, span_events(stream_rate.SPAN_RECORDS, datetime.now(UTC)))
            for family in stream_rate.FAMILIES:
                self._say(f"streams: {family.name}")
                end = await stream_rate.recorded(stack.kafka, family.topic)
                starting = asyncio.create_task(asyncio.to_thread(stack.only_streams, family.only))
                name = (f"streams, one process: {family.name}", STREAMS_TARGET)
                await self._measure(name, self._streamed(database, name, family, end))
                await starting
        finally:
            await database.close()

    async def _streamed(self, database: Database, name: tuple[str, str], family: Family, end: int) -> Measure:
        rate = await stream_rate.measure(database, family, end, self._stack.processes)
        return of_backlog(*name, rate)

    async def _repricing(self) -> Measure:
        self._say(f"re-pricing: {REPRICED_FACTS:,} facts")
        stack = self._stack
        work = await repricing.measure(stack.database_url, REPRICED_FACTS, stack.repriced_calls, stack.processes)
        return of_backlog(*REPRICING, work)

    async def _analytics(self) -> None:
        """One measure a question; what cannot be prepared is one that failed."""
        stack = self._stack
        try:
            await asyncio.to_thread(stack.up)
            await analytics.prepare(stack.database_url, self._analytics_facts, self._say)
            await analytics.check(stack.database_url, stack.http_host, stack.http_port)
        except BenchError as problem:
            self._keep(Measure("analytics", analytics.TARGET, problem=str(problem)))
            return
        for question in QUESTIONS:
            self._say(f"analytics: {question.name}")
            await self._measure((f"analytics: {question.name}", analytics.TARGET), self._asked(question))

    async def _asked(self, question: Question) -> Measure:
        stack = self._stack
        await analytics.ask(question, stack.http_host, stack.http_port, analytics.WARM_UP_S)
        with measured_cpu(stack.processes()) as cpu:
            tally = await analytics.ask(question, stack.http_host, stack.http_port, analytics.SECONDS)
        return of_tallies(f"analytics: {question.name}", analytics.TARGET, [tally], cpu)
