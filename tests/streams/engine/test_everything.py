"""All processors at once, on a broker and a database of their own that are killed too: every state equals its fold."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Iterator
from uuid import UUID, uuid4

import pytest

from infra.native.stack import kill_program, wait_for_services
from observatory.adapters.kafka import Publisher
from observatory.adapters.postgres.pool import open_pool
from schemas.feedback import FeedbackGiven
from schemas.topics import FEEDBACK_GIVEN
from streams.folds.catalogue import FOLDS, RELAYS
from tests.forking import Program
from tests.stack import LiveStack, live_stack
from tests.streams.engine.ground import StreamGround
from tests.streams.ledger.calls import NOW, Body, call
from tests.streams.ledger.ground import new_database, new_ground

KAFKA, POSTGRES = "kafka", "postgres"
KILLED = ("worker", KAFKA, "worker", POSTGRES, "worker")
CALLS = 150


@pytest.fixture(scope="module")
def stack() -> Iterator[LiveStack]:
    """One of its own: it is killed."""
    with live_stack("streams-test") as live:
        yield live


@pytest.fixture
async def ground(stack: LiveStack) -> AsyncIterator[StreamGround]:
    async with new_ground(stack.kafka, await new_database(stack)) as own:
        yield StreamGround(own.settings, own.pool)


class Supervised:
    """A worker that is started again when it ends, as the native stack does: it may have met a broker that was away."""

    def __init__(self, ground: StreamGround, number: int) -> None:
        self._ground, self._number = ground, number
        self._process: Program | None = None
        self._task = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        while True:
            self._process = self._ground.worker_process(self._number)
            await self._process.ended()

    def kill(self) -> None:
        if self._process and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)

    async def stop(self) -> None:
        self._task.cancel()
        if self._process and self._process.returncode is None:
            self._process.terminate()
            await self._process.ended()


async def test_every_state_equals_its_fold_when_workers_broker_and_database_are_killed(
    ground: StreamGround, stack: LiveStack
) -> None:
    randomness = random.Random(7)
    publisher = Publisher(ground.settings.kafka, "test")
    await publisher.start()
    workers = [Supervised(ground, number) for number in (1, 2)]
    calls: list[Body] = []
    try:
        for turn, killed in enumerate(KILLED):
            new = [some_call(randomness) for _ in range(CALLS)]
            calls += new
            await ground.produce([*new, *({**body, "revision": 2} for body in randomness.sample(calls, 20))])
            await rate(publisher, randomness.sample(calls, 40))
            await asyncio.sleep(randomness.uniform(0.2, 1.0))  # so that the kill falls at another moment each time
            if killed == "worker":
                workers[turn % 2].kill()
            else:
                kill_program(stack.spec, killed)
                await asyncio.to_thread(wait_for_services, stack.spec)
        async with await open_pool(ground.settings.database_url, size=2, application="test") as pool:
            after = StreamGround(ground.settings, pool)
            await after.until_streamed(FOLDS, RELAYS)
            compared = await after.compared(FOLDS)
            counted = await pool.fetchval("SELECT sum(calls)::bigint FROM streams.window_cells")
    finally:
        await asyncio.gather(*(worker.stop() for worker in workers))
        await publisher.stop()
    assert [one.examples for one in compared.values() if not one.ok] == []
    assert counted == len(calls)
    for name in ("conversations", "users", "quality", "experiment_units"):
        assert compared[name].equal > 0, name


def some_call(randomness: random.Random) -> Body:
    """Of few conversations, so that partitions, topics and processors meet in them."""
    return call(
        conversation_id=f"conversation-{randomness.randrange(30)}", user_id=f"user-{randomness.randrange(5)}",
        tenant_id="acme", experiment_id="tone", variant_id=randomness.choice("ab"),
    )  # fmt: skip


async def rate(publisher: Publisher, calls: list[Body]) -> None:
    """Feedback under keys that clients choose as they like."""
    sent = []
    for body in calls:
        given = FeedbackGiven(
            feedback_id=uuid4(), request_id=UUID(str(body["request_id"])), tenant_id="acme",
            conversation_id=str(body["conversation_id"]), value=0.5, given_at=NOW,
        )  # fmt: skip
        sent.append(await publisher.publish(FEEDBACK_GIVEN, str(uuid4()), given, uuid4()))
    await asyncio.gather(*sent)
