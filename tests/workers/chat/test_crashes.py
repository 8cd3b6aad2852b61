"""Workers that are killed, stopped, paused and outlived: one outcome a request, every call on the books."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from schemas.chat import ChatCompleted, ChatFailed, ChatRequested
from tests.simulator import Simulator, running_simulator
from tests.stack import LiveStack
from tests.workers.chat.running import Books, Place, Worker, ask, in_ms, partition_of, place, until


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    folder: Path = tmp_path_factory.mktemp("simulator")
    with running_simulator(folder) as running:
        yield running


@pytest.fixture(scope="module")
async def here(stack: LiveStack, simulator: Simulator) -> AsyncIterator[Place]:
    async with place(stack, simulator, "crashes.") as found:
        yield found


@pytest.fixture(scope="module")
def books(here: Place) -> Books:
    return here.books


@pytest.fixture(scope="module")
def lasting(here: Place) -> Worker:
    """The worker that is killed and restarted under one name, as a supervisor would."""
    return here.worker(OBSERVATORY_INSTANCE="chat-1")


async def being_called(books: Books, request: ChatRequested, count: int = 1) -> None:
    """Waits until the journal holds that many attempts of the request, the last of them under way."""
    query = "SELECT status FROM journal.attempts WHERE request_id = $1 ORDER BY attempt"

    async def started() -> bool:
        statuses = [row["status"] for row in await books.rows(query, request.request_id)]
        return len(statuses) == count and statuses[-1] == "started"

    await until(started, f"call {count}")


async def test_calls_in_flight_at_a_kill_become_unknown_and_are_made_again(books: Books, lasting: Worker) -> None:
    requests = [ask(f"slow {n} [[sim in=50 out=20 latency=1500]]") for n in range(15)]
    requests += [ask(f"slow stream {n} [[sim in=50 out=40 ttft=10 gap=40]]", stream=True) for n in range(15)]
    ids = await books.send_all(requests)
    await books.until(lambda: all(books.of(r.request_id).deltas for r in requests[15:]), "pieces of every stream")
    await lasting.kill_and_restart()
    outcomes = await books.outcomes(ids)
    assert {type(outcome) for outcome in outcomes} == {ChatCompleted}
    await books.agree(ids)
    for answer in outcomes:
        assert isinstance(answer, ChatCompleted)
        assert [call.status for call in books.calls_of(answer.request_id)] == ["unknown", "ok"]
        assert (answer.attempts, answer.cost_state) == (2, "estimated")
    for request in requests[15:]:
        heard = books.of(request.request_id)
        assert [restart.attempt for restart in heard.restarts] == [2]
        (answer,) = heard.outcomes
        assert isinstance(answer, ChatCompleted)
        assert heard.text() == answer.message.content


async def test_a_request_that_takes_three_workers_down_is_given_up(books: Books, lasting: Worker) -> None:
    request = ask("poison [[sim fault=timeout]]")
    await books.send(request)
    for kill in (1, 2, 3):
        await being_called(books, request, kill)
        await lasting.kill_and_restart()
    answer = await books.outcome(request.request_id)
    assert isinstance(answer, ChatFailed)
    assert (answer.error.code, answer.attempts) == ("worker_lost", 3)
    await books.agree([request.request_id])
    assert [call.status for call in books.calls_of(request.request_id)] == ["unknown"] * 3
    assert answer.cost_usd == sum(call.cost_usd or 0 for call in books.calls_of(request.request_id))


async def test_kills_at_any_moment_under_load_leave_nothing_open(books: Books, lasting: Worker) -> None:
    requests = [ask(f"n {n} [[sim in=50 out=20 latency={n % 7 * 10}]]", stream=n % 3 == 0) for n in range(300)]
    run = uuid4()
    requests += [ask(f"t {n}", conversation_id=f"{run} {n % 10}", use_history=True) for n in range(40)]
    ids = []
    for start in range(0, len(requests), 85):
        batch = await books.send_all(requests[start : start + 85])
        ids += batch
        await books.until(lambda batch=batch: any(books.of(r).outcomes for r in batch), "a first answer")  # type: ignore[misc]  # bound now
        await lasting.kill_and_restart()
    await books.outcomes(ids)
    bill = await books.agree(ids)
    assert len(bill) >= len(ids)
    turns = await books.rows("SELECT request_id FROM app.turns WHERE request_id = ANY ($1)", ids)
    assert sorted(row["request_id"] for row in turns) == sorted(ids[300:])


async def test_a_stopped_worker_ends_its_calls_and_loses_nothing(books: Books, lasting: Worker) -> None:
    requests = [ask(f"stop {n} [[sim in=50 out=20 latency=800]]") for n in range(40)]
    ids = await books.send_all(requests)
    await being_called(books, requests[0])
    assert await lasting.stop() == 0
    lasting.start()
    await books.outcomes(ids)
    assert len(await books.agree(ids)) == 40
    assert await lost_epochs(books, ids) == [0] * 40


async def test_what_a_stopped_worker_cannot_end_is_booked_and_handed_over_at_once(here: Place, lasting: Worker) -> None:
    books = here.books
    request = ask("hold [[sim in=50 out=20 fault=timeout first=1]]", stream=True)
    await books.send(request)
    await being_called(books, request)
    assert await lasting.stop() == 0
    other = here.worker(OBSERVATORY_INSTANCE="chat-1", OBSERVATORY_CHAT_LEASE_S="30", OBSERVATORY_CHAT_RENEW_S="10")
    answer = await books.outcome(request.request_id)
    assert isinstance(answer, ChatCompleted)
    await books.agree([request.request_id])
    assert [call.status for call in books.calls_of(request.request_id)] == ["cancelled", "ok"]
    assert await lost_epochs(books, [request.request_id]) == [0]
    await other.stop()
    lasting.start()


async def test_the_answer_of_a_worker_that_slept_past_its_lease_is_discarded_and_booked(
    here: Place, lasting: Worker
) -> None:
    books, other = here.books, here.worker()  # without a name, so that it leaves the group at its end
    sleeper = await both_have_partitions(here, lasting, other)
    request = ask("sleep [[sim in=50 out=20 latency=1000]]", stream=True)
    await books.send(request, key=sleeper.keys[0])
    await being_called(books, request)
    sleeper.worker.signal(signal.SIGSTOP)
    # The same request on a partition of the other one, which waits for the lease and then takes over.
    await books.send(request, key=sleeper.keys[1])
    answer = await books.outcome(request.request_id)
    sleeper.worker.signal(signal.SIGCONT)
    await books.until(
        lambda: [c.status for c in books.calls_of(request.request_id)] == ["ok", "ok"], "both calls on the books"
    )
    assert isinstance(answer, ChatCompleted)
    assert answer.attempts == 2
    bill = await books.agree([request.request_id])
    assert len(bill) == 2
    await other.stop()


class Sleeper:
    """A worker, and a key for a partition of its own and one for a partition of the other worker."""

    def __init__(self, worker: Worker, keys: tuple[str, str]) -> None:
        self.worker, self.keys = worker, keys


async def both_have_partitions(here: Place, first: Worker, second: Worker) -> Sleeper:
    """Waits until two workers share the partitions: each answers some."""
    books = here.books
    async with asyncio.timeout(40):
        while True:
            probes = {p: ask(f"probe {p}") for p in range(8)}
            keys = {p: next(k for n in range(999) if partition_of(k := f"p{n}") == p) for p in probes}
            ids = [await books.send(probe, key=keys[p]) for p, probe in probes.items()]
            await books.outcomes(ids)
            rows = await books.rows(
                "SELECT topic_partition, owner FROM journal.requests WHERE request_id = ANY ($1)", ids
            )
            by_owner: dict[str, list[int]] = {}
            for row in rows:
                by_owner.setdefault(row["owner"].partition("/")[0], []).append(row["topic_partition"])
            if by_owner.keys() == {"chat-1", "chat"}:
                return Sleeper(first, (keys[by_owner["chat-1"][0]], keys[by_owner["chat"][0]]))


async def test_rebalances_in_flight_change_nothing(here: Place, lasting: Worker) -> None:
    books = here.books
    requests = [ask(f"re {n} [[sim in=50 out=20 latency={n % 5 * 100}]]", stream=n % 4 == 0) for n in range(200)]
    requests += [ask(f"r {n}", conversation_id=f"rebalanced {n % 5}", use_history=True) for n in range(30)]
    ids = await books.send_all(requests[:100])
    visitors = [here.worker(), here.worker()]  # without a name: they join and leave, each time with a rebalance
    await asyncio.gather(*(visitor.ready() for visitor in visitors))
    ids += await books.send_all(requests[100:])
    await asyncio.gather(*(visitor.stop() for visitor in visitors))
    await books.outcomes(ids)
    bill = await books.agree(ids)
    assert len(bill) == len(ids)
    assert set(await lost_epochs(books, ids)) == {0}


async def lost_epochs(books: Books, ids: list[UUID]) -> list[int]:
    """Of each request."""
    return [
        r["lost_epochs"]
        for r in await books.rows("SELECT lost_epochs FROM journal.requests WHERE request_id = ANY ($1)", ids)
    ]


async def test_offsets_are_committed_up_to_the_first_unfinished_record(here: Place, lasting: Worker) -> None:
    books = here.books
    held = ask("held [[sim in=50 out=20 latency=2500]]", deadline=in_ms(60_000))
    await books.send(held, key="same")
    await being_called(books, held)
    behind = [ask(f"behind {n}") for n in range(20)]
    ids = [await books.send(request, key="same") for request in behind]
    await books.outcomes(ids)
    await lasting.kill_and_restart()
    assert isinstance(await books.outcome(held.request_id), ChatCompleted)
    await books.agree([held.request_id, *ids])
