"""Variants of experiments: assigned with the claim, applied to the call, written on it, kept through a takeover."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from observatory.adapters.postgres.experiments import Experiments
from observatory.adapters.postgres.pool import Pool, open_pool
from schemas.calls import LlmCallRecorded
from schemas.chat import ChatCompleted, ChatRequested
from schemas.experiments import ExperimentDefinition
from tests.simulator import Simulator, running_simulator
from tests.stack import LiveStack
from tests.workers.chat.running import Place, Worker, ask, place, until

TWO_MODELS: dict[str, Any] = {
    "variants": [
        {"name": "large", "overrides": {"model": "gpt-4o"}},
        {
            "name": "small",
            "overrides": {
                "model": "gpt-4o-mini",
                "max_output_tokens": 5,
                "prompt_version": "brief",
                "system_prompt": "Be brief.",
            },
        },
    ]
}


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with running_simulator(tmp_path_factory.mktemp("simulator")) as running:
        yield running


@pytest.fixture(scope="module")
async def here(stack: LiveStack, simulator: Simulator) -> AsyncIterator[Place]:
    async with place(stack, simulator, "experiments.") as found:
        yield found


@pytest.fixture(scope="module")
async def pool(stack: LiveStack, here: Place) -> AsyncIterator[Pool]:
    made = await open_pool(stack.database_url, size=1, application="test")
    yield made
    await made.close()


@pytest.fixture(scope="module")
async def worker(here: Place) -> Worker:
    return here.worker(OBSERVATORY_INSTANCE="chat-1")


async def call(here: Place, request: ChatRequested) -> LlmCallRecorded:
    """The first call of a request that is answered."""
    assert isinstance(await here.books.outcome(await here.books.send(request)), ChatCompleted)
    await here.books.until(lambda: bool(here.books.calls_of(request.request_id)), "the call is recorded")
    return here.books.calls_of(request.request_id)[0]


async def started(here: Place, pool: Pool, tenant: str, definition: dict[str, Any]) -> str:
    """The id of a running experiment that the worker follows. The same tenant draws the same variants in every run."""
    name = "models"
    store = Experiments(pool)
    await store.create(tenant, name, ExperimentDefinition.model_validate(definition))
    await store.start(tenant, name)
    async with asyncio.timeout(30):
        probe = {"tenant_id": tenant, "user_id": "probe", "conversation_id": "probe"}
        while (await call(here, ask(**probe))).experiment_id != name:
            pass
    return name


async def test_conversations_keep_their_variant_and_calls_say_so(here: Place, pool: Pool, worker: Worker) -> None:
    tenant = "sticky"
    name = await started(here, pool, tenant, TWO_MODELS)
    conversations = [f"c{number}" for number in range(8)]
    seen: dict[str, set[str | None]] = {conversation: set() for conversation in conversations}
    for conversation in conversations * 2:
        request = ask("[[sim in=40 out=30]]", tenant_id=tenant, conversation_id=conversation, model="gpt-4.1")
        made = await call(here, request)
        seen[conversation].add(made.variant_id)
        assert (made.experiment_id, made.experiment_version, made.experiment_unit) == (name, 1, conversation)
        expected = {"large": ("gpt-4o", None), "small": ("gpt-4o-mini", "brief")}[made.variant_id or ""]
        assert (made.request_model, made.prompt_version) == expected
        (row,) = await here.books.rows("SELECT model, record FROM journal.attempts WHERE call_id = $1", made.call_id)
        assert row["model"] == expected[0]
    assert all(len(variants) == 1 for variants in seen.values())
    assert set.union(*seen.values()) == {"large", "small"}


async def test_a_system_prompt_stands_before_the_history_and_stays_out_of_it(
    here: Place, pool: Pool, worker: Worker
) -> None:
    only = {"variants": [{"name": "old", "weight": 0}, {**TWO_MODELS["variants"][1], "weight": 1}]}
    tenant = "prompted"
    await started(here, pool, tenant, only)
    for text in ("One [[sim in=40 out=3]]", "Two [[sim in=40 out=3]]"):
        made = await call(here, ask(text, tenant_id=tenant, conversation_id="talk", use_history=True))
        assert made.variant_id == "small"
    turns = await here.books.rows(
        "SELECT messages FROM app.turns WHERE tenant_id = $1 AND conversation_id = 'talk'", tenant
    )
    assert len(turns) == 2
    assert not any("Be brief." in row["messages"] for row in turns)


async def test_a_takeover_goes_on_with_the_variant_of_the_first_claim(here: Place, pool: Pool, worker: Worker) -> None:
    tenant = "taken over"
    name = await started(here, pool, tenant, {**TWO_MODELS, "unit": "request"})
    requests = [
        ask("slow [[sim in=40 out=5 latency=2500]]", request_id=UUID(int=number), tenant_id=tenant, model="gpt-4.1")
        for number in range(1, 7)
    ]
    ids = await here.books.send_all(requests)
    under_way = "SELECT count(*) AS n FROM journal.attempts WHERE request_id = ANY ($1)"

    async def all_called() -> bool:
        return int((await here.books.rows(under_way, ids))[0]["n"]) == len(ids)

    await until(all_called, "every request is being called")
    await worker.kill()
    flipped = {**TWO_MODELS["variants"][0], "weight": 0}, {**TWO_MODELS["variants"][1], "weight": 1}
    changed = ExperimentDefinition.model_validate({"unit": "request", "variants": list(flipped)})
    await Experiments(pool).change(tenant, name, changed)
    await Experiments(pool).stop(tenant, name)
    worker.start()
    await here.books.outcomes(ids)
    await here.books.agree(ids)
    variants = set()
    for request in requests:
        first, second = here.books.calls_of(request.request_id)
        assert (first.status, second.status) == ("unknown", "ok")
        for field in ("variant_id", "experiment_version", "request_model", "experiment_unit", "prompt_version"):
            assert getattr(first, field) == getattr(second, field)
        variants.add(second.variant_id)
    assert variants == {"large", "small"}
    assert (await call(here, ask(tenant_id=tenant))).experiment_id is None


async def test_clients_say_by_tags_what_they_assigned_themselves(here: Place, worker: Worker) -> None:
    tags = {"experiment_id": "their own", "variant_id": "blue", "prompt_version": "p9", "experiment_unit": "visitor 7"}
    made = await call(here, ask(tags=tags, tenant_id=uuid4().hex))
    assert (made.experiment_id, made.variant_id, made.experiment_unit) == ("their own", "blue", "visitor 7")
    assert (made.prompt_version, made.experiment_version, made.tags) == ("p9", None, tags)
    only_prompt = await call(here, ask(tags={"prompt_version": "p3"}, tenant_id=uuid4().hex))
    assert (only_prompt.experiment_id, only_prompt.prompt_version) == (None, "p3")
