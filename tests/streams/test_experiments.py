"""An experiment's units on a real broker and database: over partitions, with ratings, to the verdict."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest

from observatory.adapters.kafka import Publisher
from observatory.adapters.postgres.experiment_results import results_of
from observatory.adapters.postgres.experiments import Experiments
from observatory.rules.experiments.verdict import verdict
from schemas.experiments import ExperimentDefinition
from schemas.feedback import FeedbackGiven
from schemas.topics import FEEDBACK_GIVEN, LLM_CALLS
from streams.folds.experiment_requests import EXPERIMENT_REQUESTS
from tests.streams.engine.ground import StreamGround
from tests.streams.ledger.calls import NOW, Body, call
from tests.workers.chat.running import partition_of

UNITS = 120
STARTED = NOW - timedelta(hours=2)


def calls_of(units: int, random: Random) -> list[Body]:
    """Two calls for each of so many users, in conversations of their own; those of `brief` cost half."""
    made = []
    for number in range(units):
        variant = "brief" if number % 2 else "long"
        for turn in range(2):
            cost = Decimal(random.randrange(50, 150)) / 1000 / (2 if variant == "brief" else 1)
            fields: dict[str, Any] = {
                "tenant_id": "acme", "experiment_id": "prompts", "experiment_version": 1, "variant_id": variant,
                "experiment_unit": f"user {number}", "user_id": f"user {number}", "cost_usd": f"{cost:f}",
                "started_at": STARTED.isoformat(), "request_id": str(UUID(int=number * 2 + turn)),
            }  # fmt: skip
            made.append(call(**fields))
    return made


async def test_units_are_added_up_over_partitions_and_judged(ground: StreamGround) -> None:
    store = Experiments(ground.pool)
    definition = ExperimentDefinition.model_validate(
        {"unit": "user", "settle_s": 3600, "variants": [{"name": "long"}, {"name": "brief"}]}
    )
    await store.create("acme", "prompts", definition)
    experiment = await store.start("acme", "prompts")
    calls = calls_of(UNITS * 2, Random(3))
    mixed = {**calls[0], "variant_id": "brief", "call_id": str(uuid4()), "request_id": str(uuid4())}
    young = {**mixed, "call_id": str(uuid4()), "experiment_unit": "young", "started_at": NOW.isoformat()}
    strange = {**mixed, "call_id": str(uuid4()), "experiment_unit": "strange", "variant_id": "nobody's"}
    young["request_id"], strange["request_id"] = str(uuid4()), str(uuid4())
    ratings = [
        FeedbackGiven(
            feedback_id=uuid4(), request_id=UUID(str(body["request_id"])), tenant_id="acme", thumbs="up", given_at=NOW,
            conversation_id=str(body["conversation_id"]),
        )
        for body in calls
    ]  # fmt: skip
    async with ground.workers():
        await publish(ground, [*calls, *calls[:40], mixed, young, strange])
        await give(ground, ratings)
        await ground.until(lambda: rated(ground, len(ratings)))
        results = await results_of(ground.pool, experiment)
        compared = await ground.compared()
    assert compared["experiment_requests"].ok
    assert compared["experiment_units"].ok
    assert compared["experiment_units"].equal > UNITS * 2  # users are in several partitions
    assert (results.mixed_units, results.young_units, results.unknown_units) == (1, 1, 1)
    assert results.watermark is not None
    for figures in results.analysis.variants:
        own = [body for body in calls if body["variant_id"] == figures.name and body["experiment_unit"] != "user 0"]
        assert figures.exposed == len({body["experiment_unit"] for body in own})
        assert (figures.requests, figures.calls) == (len(own), len(own))
        assert figures.cost_usd == sum(Decimal(str(body["cost_usd"])) for body in own)
        assert figures.values["cost"].squares == pytest.approx(
            sum(
                float(sum(Decimal(str(body["cost_usd"])) for body in own if body["experiment_unit"] == unit)) ** 2
                for unit in {body["experiment_unit"] for body in own}
            )
        )
        assert figures.values["latency"].mean == 900.5
        assert figures.values["feedback"].mean == 1
    said = verdict(results.analysis)
    assert said[0] == "Variant brief costs 48.5 % less than long (95 % confidence sequence 42.9–53.4 %)."
    assert [sentence.split(":")[1].split(" (")[0] for sentence in said[1:]] == [" no difference seen"] * 3


async def publish(ground: StreamGround, calls: list[Body]) -> None:
    """As workers do: where their conversation belongs."""
    for partition in range(LLM_CALLS.partitions):
        await ground.produce(
            [body for body in calls if partition_of(str(body["conversation_id"])) == partition], partition
        )


async def give(ground: StreamGround, ratings: list[FeedbackGiven]) -> None:
    publisher = Publisher(ground.settings.kafka, "test")
    await publisher.start()
    for given in ratings:
        await publisher.publish(FEEDBACK_GIVEN, str(given.conversation_id), given, given.feedback_id)
    await publisher.stop()


async def rated(ground: StreamGround, count: int) -> bool:
    """Whether so many requests have both a call and a rating."""
    await ground.until_streamed((EXPERIMENT_REQUESTS,))
    query = "SELECT coalesce(sum(ratings), 0) FROM streams.experiment_units"
    return int(await ground.pool.fetchval(query)) >= count
