"""Two variants with different models on the whole stack: the verdict names the cheaper one, at the ledger's cost."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tests.scenarios.programs import Stack, observatory, running_programs
from tests.stack import LiveStack
from tests.streams.ledger.ground import new_database

USERS, RATED = 130, 10
EXPERIMENT: dict[str, Any] = {
    "experiment_id": "cheaper",
    "unit": "user",
    "settle_s": 0,
    "variants": [
        {"name": "now"},
        {
            "name": "mini",
            "overrides": {"model": "gpt-4o-mini", "prompt_version": "brief", "system_prompt": "Be brief."},
        },
    ],
}


@pytest.fixture(scope="module")
async def programs(stack: LiveStack) -> AsyncIterator[Stack]:
    url = await new_database(stack)
    own = {"OBSERVATORY_DATABASE_URL": url, "OBSERVATORY_TOPIC_PREFIX": "compared."}
    with running_programs(stack, **own) as environment:
        yield Stack(environment)


def requests() -> list[dict[str, Any]]:
    """Two of each user, in conversations of their own, of very different lengths."""
    random = Random(8)
    sizes = [(random.randrange(20, 900), random.randrange(60)) for _ in range(2 * USERS)]
    return [
        {
            "request_id": str(UUID(int=number + 1)),
            "user_id": f"user {number // 2}",
            "conversation_id": f"conversation {number}",
            "model": "gpt-4o",
            "messages": [{"role": "user", "content": f"[[sim in={size} out={out}]]"}],
        }
        for number, (size, out) in enumerate(sizes)
    ]


@pytest.mark.timeout(240)
async def test_the_verdict_names_the_cheaper_model(programs: Stack, tmp_path: Path) -> None:
    environment = programs.environment
    definition, asked = tmp_path / "cheaper.json", tmp_path / "requests.jsonl"
    definition.write_text(json.dumps(EXPERIMENT))
    asked.write_text("".join(json.dumps(request) + "\n" for request in requests()))
    observatory(environment, "experiments", "create", str(definition))
    observatory(environment, "experiments", "start", "cheaper")
    connection = await asyncpg.connect(environment["OBSERVATORY_DATABASE_URL"])
    while not await connection.fetchval("SELECT count(assignment) FROM journal.requests"):
        observatory(environment, "publish", "[[sim in=10 out=2]]", "--user", "first", "--wait", "--conversation", "c")
    observatory(environment, "publish", "--file", str(asked), "--wait")
    for request in requests()[: 2 * RATED]:
        programs.post("chat/feedback", {"request_id": request["request_id"], "thumbs": "up"})

    results = programs.until("analytics/experiments/cheaper", is_complete)
    by_variant = {variant["variant"]: variant for variant in results["variants"]}
    assert results["split"]["is_right"]
    for name, model in (("now", "gpt-4o"), ("mini", "gpt-4o-mini")):
        rows = await connection.fetch(
            "SELECT request_model, prompt_version, cost_usd, user_id FROM ledger.calls WHERE variant_id = $1", name
        )
        assert {row["request_model"] for row in rows if row["user_id"] != "first"} == {model}
        assert by_variant[name]["exposed"] == len({row["user_id"] for row in rows}) > 50
        assert by_variant[name]["calls"] == len(rows)
        assert Decimal(by_variant[name]["cost_usd"]) == sum(row["cost_usd"] for row in rows)
    await connection.close()
    assert results["verdict"][0].startswith("Variant mini costs 9")
    assert "less than now (95 % confidence sequence" in results["verdict"][0]
    assert results["comparisons"][2]["sentence"].startswith("Variant mini, error rate: no difference seen")
    assert "too few units" in results["comparisons"][3]["sentence"]

    told = observatory(environment, "experiments", "results", "cheaper").stdout
    assert results["verdict"][0] in told
    observatory(environment, "experiments", "stop", "cheaper")
    assert "cheaper" in observatory(environment, "experiments", "list").stdout


def is_complete(results: Any) -> bool:
    """Whether every request and every rating is in the results."""
    rated = [m["units"] for v in results["variants"] for m in v["metrics"] if m["metric"] == "feedback"]
    requests_counted = sum(variant["requests"] for variant in results["variants"])
    return bool(requests_counted > 2 * USERS and sum(rated) == RATED)
