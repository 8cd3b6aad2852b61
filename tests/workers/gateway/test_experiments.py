"""`/api/v1/experiments` from draft to end, and what `/api/v1/analytics/experiments` says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg
import msgspec
import pytest

from observatory.adapters.postgres.experiments import Experiments
from observatory.adapters.postgres.pool import open_pool
from schemas.experiments import ExperimentDefinition
from streams.folds.experiment_units import UnitSums
from tests.workers.gateway.conftest import Process

VARIANTS: list[dict[str, Any]] = [{"name": "now"}, {"name": "mini", "overrides": {"model": "gpt-4o-mini"}}]
APART = {"tags": {"test": "experiments of the gateway"}}
"""Only requests with this tag take part: the database is shared with workers of other tests."""


def body_of(unit: str, variants: list[dict[str, Any]]) -> dict[str, Any]:
    return {"unit": unit, "variants": variants, "eligibility": APART}


async def test_an_experiment_lives_from_draft_to_end(gateway: Process, http: aiohttp.ClientSession) -> None:
    url, name = f"{gateway.url}/api/v1/experiments", f"experiment-{uuid4()}"
    body = {"experiment_id": name, "unit": "user", "variants": VARIANTS, "eligibility": APART}
    async with http.post(url, json=body) as response:
        made = await response.json()
        assert response.status == 201
    assert (made["state"], made["version"], made["definition"]["unit"]) == ("draft", 1, "user")
    assert made["definition"]["variants"][1]["overrides"]["model"] == "gpt-4o-mini"
    async with http.post(url, json=body) as response:
        assert response.status == 409
    async with http.put(f"{url}/{name}", json=body_of("request", VARIANTS)) as response:
        assert (await response.json())["version"] == 2
    async with http.post(f"{url}/{name}/start") as response:
        assert (await response.json())["state"] == "running"
    async with http.put(f"{url}/{name}", json=body_of("user", VARIANTS)) as response:
        assert response.status == 400
        assert "unit" in (await response.json(content_type=None))["detail"]
    weighted = [VARIANTS[0] | {"weight": 3}, VARIANTS[1]]
    async with http.put(f"{url}/{name}", json=body_of("request", weighted)) as response:
        assert (await response.json())["version"] == 3
    async with http.delete(f"{url}/{name}") as response:
        assert response.status == 409
    async with http.post(f"{url}/{name}/stop") as response:
        assert (await response.json())["stopped_at"]
    async with http.post(f"{url}/{name}/start") as response:
        assert response.status == 409
        assert "create another" in (await response.json(content_type=None))["detail"]
    async with http.get(url) as response:
        assert name in [experiment["experiment_id"] for experiment in (await response.json())["experiments"]]


async def test_an_experiment_whose_clients_assign_themselves_can_be_made(
    gateway: Process, http: aiohttp.ClientSession
) -> None:
    url, name = f"{gateway.url}/api/v1/experiments", f"client-{uuid4()}"
    body = {"experiment_id": name, "assigned_by": "client", "variants": [{"name": "a"}, {"name": "b"}]}
    async with http.post(url, json=body) as response:
        assert response.status == 201, await response.text()


async def test_results_of_another_tenant_are_shown_where_no_key_is_needed(
    gateway: Process, http: aiohttp.ClientSession, database_url: str
) -> None:
    name = f"of-acme-{uuid4()}"
    definition = ExperimentDefinition.model_validate({"variants": [{"name": "a"}, {"name": "b"}], "eligibility": APART})
    pool = await open_pool(database_url, size=1, application="test")
    await Experiments(pool).create("acme", name, definition)
    await pool.close()
    url = f"{gateway.url}/api/v1/analytics/experiments/{name}"
    async with http.get(url) as response:
        assert response.status == 404
    async with http.get(url, params={"tenant": "acme"}) as response:
        assert (await response.json())["experiment"]["tenant_id"] == "acme"


async def test_a_draft_can_be_removed(gateway: Process, http: aiohttp.ClientSession) -> None:
    url, name = f"{gateway.url}/api/v1/experiments", f"draft-{uuid4()}"
    async with http.post(url, json={"experiment_id": name, "variants": VARIANTS}) as response:
        assert response.status == 201
    for status in (204, 404):
        async with http.delete(f"{url}/{name}") as response:
            assert response.status == status
    async with http.get(f"{url}/{name}") as response:
        assert response.status == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"variants": VARIANTS}, 422),
        ({"experiment_id": "e", "variants": VARIANTS[:1]}, 422),
        ({"experiment_id": "e", "variants": VARIANTS, "colour": "red"}, 422),
        ({"experiment_id": "e", "variants": [VARIANTS[0], {"name": "b", "overrides": {"modle": "x"}}]}, 422),
        ({"experiment_id": "e", "variants": [VARIANTS[0], VARIANTS[0]]}, 400),
        ({"experiment_id": "e", "variants": VARIANTS, "control": "nobody"}, 400),
    ],
)
async def test_what_cannot_be_an_experiment_is_refused(
    gateway: Process, http: aiohttp.ClientSession, body: dict[str, object], status: int
) -> None:
    async with http.post(f"{gateway.url}/api/v1/experiments", json=body) as response:
        assert response.status == status
        assert response.content_type == "application/problem+json"


async def put_units(
    database: asyncpg.Connection[asyncpg.Record], experiment: str, costs: Mapping[str, Sequence[str]]
) -> None:
    """Units with one answered request each, at these costs, begun long ago."""
    rows = []
    for variant, of_units in costs.items():
        for number, cost in enumerate(of_units):
            unit = f"{variant} {number}"
            sums = UnitSums(
                tenant_id="default", experiment_id=experiment, experiment_version=1, variant_id=variant, unit=unit,
                first_us=1_700_000_000_000_000, requests=1, calls=1, cost_usd=Decimal(cost), answered=1,
                latency_us=80_000,
            )  # fmt: skip
            rows.append((number % 8, f"{experiment} {unit}", datetime.now(UTC), msgspec.json.encode(sums).decode()))
    await database.executemany(
        "INSERT INTO streams.experiment_units (part, key, version, touched_at, state) VALUES ($1, $2, 1, $3, $4)", rows
    )


async def test_results_are_told_in_figures_and_in_words(
    gateway: Process, http: aiohttp.ClientSession, database: asyncpg.Connection[asyncpg.Record]
) -> None:
    name = f"results-{uuid4()}"
    experiment: dict[str, Any] = {
        "experiment_id": name,
        "unit": "request",
        "variants": VARIANTS,
        "metrics": ["cost", "latency"],
    }
    async with http.post(f"{gateway.url}/api/v1/experiments", json=experiment) as response:
        assert response.status == 201
    async with http.post(f"{gateway.url}/api/v1/experiments/{name}/start") as response:
        assert response.status == 200
    costs = {variant: [f"0.0{most - n % 3}" for n in range(200)] for variant, most in (("now", 9), ("mini", 5))}
    await put_units(database, name, costs)
    async with http.get(f"{gateway.url}/api/v1/analytics/experiments/{name}") as response:
        told = await response.json()
        assert response.status == 200
    assert [variant["exposed"] for variant in told["variants"]] == [200, 200]
    assert Decimal(told["variants"][1]["cost_usd"]) == sum(map(Decimal, costs["mini"]))
    assert told["split"]["is_right"]
    cost, latency = told["comparisons"]
    assert cost["conclusion"] == "better"
    assert cost["change_low"] < cost["change"] < cost["change_high"] < -0.4
    assert latency["conclusion"] == "no_difference_seen"
    assert told["verdict"][0].startswith("Variant mini costs 50.0 % less than now (95 % confidence sequence")
    question = f"{gateway.url}/api/v1/analytics/experiments?experiment={name}&last=1h"
    async with http.get(question) as response:
        page = await response.json()
    assert [row["sentence"] for row in page["rows"]] == told["verdict"]
    assert set(page) == {"period", "watermark", "complete", "rows", "next"}
    async with http.get(f"{question}&format=csv") as response:
        lines = (await response.text()).splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("tenant_id,experiment_id,state,version,control,variant,metric,units")


async def test_pages_of_results_follow_each_other(gateway: Process, http: aiohttp.ClientSession) -> None:
    prefix = f"page-{uuid4()}"
    for number in range(3):
        body = {"experiment_id": f"{prefix}-{number}", "variants": VARIANTS, "metrics": ["cost"], "eligibility": APART}
        async with http.post(f"{gateway.url}/api/v1/experiments", json=body) as response:
            assert response.status == 201
        async with http.post(f"{gateway.url}/api/v1/experiments/{prefix}-{number}/start") as response:
            assert response.status == 200
    seen, cursor = [], ""
    while cursor is not None:
        url = f"{gateway.url}/api/v1/analytics/experiments?state=running&limit=2{cursor and '&cursor=' + cursor}"
        async with http.get(url) as response:
            page = await response.json()
        seen += [row["experiment_id"] for row in page["rows"] if row["experiment_id"].startswith(prefix)]
        cursor = page["next"]
    assert seen == [f"{prefix}-{number}" for number in (2, 1, 0)]
    async with http.get(f"{gateway.url}/api/v1/analytics/experiments?colour=red") as response:
        assert response.status == 422
