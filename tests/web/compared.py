"""An experiment with a verdict, and what people said of its answers: calls and ratings as clients publish them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from uuid import UUID

from observatory.adapters.feedback import publish_feedback
from observatory.adapters.kafka import Publisher
from observatory.adapters.settings import KafkaSettings
from schemas.feedback import FeedbackGiven
from tests.web.site import Site
from tests.web.traffic import Body, a_call, publish_calls

EXPERIMENT, TENANT = "shorter-prompt", "acme"
DEFINITION = {
    "experiment_id": EXPERIMENT,
    "unit": "user",
    "assigned_by": "client",
    "settle_s": 60,
    "variants": [{"name": "long"}, {"name": "brief"}],
}
UNITS, RATED, FIRST = 240, 120, 2000


def its_calls() -> Iterator[Body]:
    """One for each user; those of `brief` cost half and take as long."""
    random = Random(5)
    began = datetime.now(UTC) - timedelta(hours=3)
    for number in range(UNITS):
        variant = "brief" if number % 2 else "long"
        dollars = random.randrange(50, 150) / (2 if variant == "brief" else 1) / 100_000
        body = a_call(
            FIRST + number,
            began,
            tenant_id=TENANT,
            user_id=f"compared-{number}",
            model="gpt-4o-2024-08-06",
            cost_usd=f"{dollars:.7f}",
        )
        body["latency"] = {
            "queue_ms": 1.0,
            "policy_ms": 0.5,
            "ttft_ms": 200.0,
            "total_ms": float(random.randrange(700, 1100)),
        }
        yield body | {
            "experiment_id": EXPERIMENT, "experiment_version": 1, "variant_id": variant,
            "experiment_unit": f"compared-{number}", "prompt_version": f"{variant}-2",
        }  # fmt: skip


def its_ratings() -> Iterator[FeedbackGiven]:
    """Of the first answers: those of `brief` are liked a little more; two come with words."""
    for number, call in enumerate(list(its_calls())[:RATED]):
        liked = number % 2 == 1 or number % 3 == 0
        yield FeedbackGiven(
            feedback_id=UUID(int=FIRST + number, version=4),
            request_id=UUID(str(call["request_id"])),
            tenant_id=TENANT,
            user_id=str(call["user_id"]),
            conversation_id=str(call["conversation_id"]),
            thumbs="up" if liked else "down",
            comment={0: "Exactly what I needed", 2: "Far too long"}.get(number),
            given_at=datetime.now(UTC),
        )


async def compare(site: Site, folder: Path) -> None:
    """Starts the experiment, publishes all of it and returns when it is in the results."""
    file = folder / "experiment.json"
    file.write_text(json.dumps(DEFINITION))
    await site.command("experiments", "create", str(file), "--tenant", TENANT)
    await site.command("experiments", "start", EXPERIMENT, "--tenant", TENANT)
    await publish_calls(site.environment, its_calls())
    kafka = KafkaSettings.model_validate(
        {name: site.environment[name] for name in ("OBSERVATORY_KAFKA", "OBSERVATORY_TOPIC_PREFIX")}
    )
    publisher = Publisher(kafka, "test")
    await publisher.start()
    for acknowledged in [await publish_feedback(publisher, given) for given in its_ratings()]:
        await acknowledged
    await publisher.stop()
    counted = """
        SELECT (SELECT sum(calls) = $2 AND sum(ratings) = $3 FROM streams.experiment_units WHERE experiment_id = $1)
           AND (SELECT count(*) = $2 FROM ledger.calls WHERE experiment_id = $1)"""
    async with asyncio.timeout(40):
        while not await site.value(counted, EXPERIMENT, UNITS, RATED):  # noqa: ASYNC110  # of other processes
            await asyncio.sleep(0.1)
