"""The broker or the database goes away under load, and a worker too: everything waits, then everything is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from infra.native.stack import kill_program, start_program, stop_program, wait_for_services
from schemas.chat import ChatCompleted, ChatRequested
from tests.simulator import running_simulator
from tests.stack import LiveStack, live_stack
from tests.workers.chat.running import Books, Place, ask, place, until

KAFKA, POSTGRES = "kafka", "postgres"


@pytest.fixture(scope="module")
def stack() -> Iterator[LiveStack]:
    """One of its own: a broker that holds the topics of all tests takes long to come back."""
    with live_stack("outages-test") as live:
        yield live


@pytest.fixture(scope="module")
async def here(stack: LiveStack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    folder: Path = tmp_path_factory.mktemp("simulator")
    with running_simulator(folder) as simulator:
        async with place(stack, simulator, "outages.") as found:
            found.worker()
            await found.books.outcome(await found.books.send(ask("warm")))
            yield found


def some(count: int) -> list[ChatRequested]:
    """Requests of every kind that need no reconciliation."""
    texts = [f"n {n} [[sim in=50 out=20 latency={n % 6 * 40}]]" for n in range(count)]
    return [ask(text, stream=n % 3 == 0) for n, text in enumerate(texts)]


async def first_of(books: Books, ids: list[UUID]) -> None:
    """Waits until one of them is answered: the others are under way."""
    await books.until(lambda: any(books.of(r).outcomes for r in ids), "a first answer")


async def all_answered(books: Books, ids: list[UUID]) -> None:
    """Every request has its answer, and the books agree."""
    assert {type(outcome) for outcome in await books.outcomes(ids, 60)} == {ChatCompleted}
    await books.agree(ids)


async def test_a_killed_database_delays_and_loses_nothing(here: Place, stack: LiveStack) -> None:
    books = here.books
    ids = await books.send_all(some(150))
    await first_of(books, ids)
    kill_program(stack.spec, POSTGRES)
    ids += await books.send_all(some(50))
    await asyncio.to_thread(wait_for_services, stack.spec)
    await all_answered(books, ids)


async def test_while_the_database_is_away_requests_wait(here: Place, stack: LiveStack) -> None:
    books = here.books
    ids = await books.send_all(some(100))
    await first_of(books, ids)
    await asyncio.to_thread(stop_program, stack.spec, POSTGRES)
    ids += await books.send_all(some(30))
    await asyncio.to_thread(start_program, stack.spec, POSTGRES)
    await all_answered(books, ids)


async def test_a_killed_broker_delays_and_loses_nothing(here: Place, stack: LiveStack) -> None:
    books = here.books
    ids = await books.send_all(some(150))
    await first_of(books, ids)
    kill_program(stack.spec, KAFKA)
    await all_answered(books, ids)


async def test_what_a_dead_worker_had_settled_is_published_by_another(here: Place, stack: LiveStack) -> None:
    books, worker = here.books, here.workers[0]
    ids = await books.send_all([ask(f"settle {n} [[sim in=50 out=20 latency=1500]]") for n in range(20)])

    async def count(query: str) -> int:
        return len(await books.rows(query, ids))

    async def all_called() -> bool:
        return await count("SELECT FROM journal.attempts WHERE request_id = ANY ($1)") == 20

    async def all_settled() -> bool:
        settled = "SELECT FROM journal.requests WHERE request_id = ANY ($1) AND state = 'completed' AND open"
        return await count(settled) == 20

    await until(all_called, "all calls under way")
    await asyncio.to_thread(stop_program, stack.spec, KAFKA)
    await until(all_settled, "all answers in the journal")
    await worker.kill()
    await asyncio.to_thread(start_program, stack.spec, KAFKA)
    assert not any(books.of(request_id).outcomes for request_id in ids)
    worker.start()
    await all_answered(books, ids)
    assert len(books.bill(ids)) == 20


@pytest.mark.parametrize("service", [POSTGRES, KAFKA])
async def test_a_worker_can_be_stopped_while_a_service_is_away(here: Place, stack: LiveStack, service: str) -> None:
    books, worker = here.books, here.workers[0]
    ids = await books.send_all(some(60))
    await first_of(books, ids)
    await asyncio.to_thread(stop_program, stack.spec, service)
    code = await worker.stop(timeout_s=15)
    await asyncio.to_thread(start_program, stack.spec, service)
    worker.start()
    assert code == 0
    await all_answered(books, ids)
