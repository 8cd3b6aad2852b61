"""`/api/v1/budgets`: create, read, change, close, and what is refused."""

from __future__ import annotations

from uuid import uuid4

import aiohttp
import pytest

from tests.workers.gateway.conftest import Process


async def test_a_budget_lives_from_its_creation_to_its_end(gateway: Process, http: aiohttp.ClientSession) -> None:
    url, name = f"{gateway.url}/api/v1/budgets", f"budget-{uuid4()}"
    body = {"budget_id": name, "scope": "user", "scope_value": "alice", "limit_usd": "2.50", "period": "day"}
    async with http.post(url, json=body) as response:
        made = await response.json()
        assert response.status == 201
    assert (made["limit_usd"], made["left_usd"], made["spent_usd"], made["hard"]) == ("2.50", "2.50", "0", True)
    async with http.post(url, json=body) as response:
        assert response.status == 409
        assert (await response.json(content_type=None))["type"].endswith("budget_exists")
    async with http.patch(f"{url}/{name}", json={"limit_usd": "3"}) as response:
        assert (await response.json())["left_usd"] == "3"
    async with http.get(url) as response:
        assert name in [budget["budget_id"] for budget in (await response.json())["budgets"]]
    async with http.get(url, params={"all_tenants": "true"}) as response:
        assert name in [budget["budget_id"] for budget in (await response.json())["budgets"]]
    async with http.delete(f"{url}/{name}") as response:
        assert response.status == 204
    async with http.delete(f"{url}/{name}") as response:
        assert response.status == 404
    async with http.get(f"{url}/{name}") as response:
        assert (await response.json())["closed_at"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"limit_usd": "1"}, 422),
        ({"budget_id": "b", "limit_usd": 1.5}, 422),
        ({"budget_id": "b", "limit_usd": "-1"}, 400),
        ({"budget_id": "b", "limit_usd": "1", "time_zone": "Mars/Olympus"}, 400),
        ({"budget_id": "b", "limit_usd": "1", "scope": "user"}, 400),
        ({"budget_id": "b", "limit_usd": "1", "unknown": 1}, 422),
        ({"budget_id": "b", "limit_usd": "1", "thresholds": ["0"]}, 400),
    ],
)
async def test_what_cannot_be_a_budget_is_refused(
    gateway: Process, http: aiohttp.ClientSession, body: dict[str, object], status: int
) -> None:
    async with http.post(f"{gateway.url}/api/v1/budgets", json=body) as response:
        assert response.status == status
        assert response.content_type == "application/problem+json"


async def test_there_is_no_budget_of_another(gateway: Process, http: aiohttp.ClientSession) -> None:
    async with http.patch(f"{gateway.url}/api/v1/budgets/nobodys", json={"limit_usd": "3"}) as response:
        assert response.status == 404
