"""`/api/v1/analytics/anomalies` and `/api/v1/providers/health`: what is stored, by period; a key sees its own."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest_asyncio

from observatory.adapters.postgres import alerts
from observatory.adapters.postgres.app import ApiKeys
from observatory.adapters.postgres.health import Judged, save_health
from observatory.adapters.postgres.pool import Pool, open_pool
from observatory.adapters.settings import KafkaSettings
from observatory.rules.anomalies.alerts import anomaly_alert, resolved_alert
from observatory.rules.anomalies.series import Metric, Raised, Resolved
from observatory.rules.health import Measured, judge_provider
from tests.databases import new_database
from tests.observatory.cli.conftest import run_cli
from tests.stack import LiveStack
from tests.workers.gateway.conftest import Process, running

NOW_S = int(datetime.now(UTC).timestamp())


@dataclass(frozen=True)
class World:
    """A gateway whose only key is of the tenant `mine`, and its database."""

    gateway: Process
    pool: Pool
    url: str
    key: str

    async def ask(self, path: str, status: int = 200, /, **parameters: str) -> Any:
        headers = {"Authorization": f"Bearer {self.key}"}
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.get(f"{self.gateway.url}/api/v1/{path}", params=parameters) as response,
        ):
            assert response.status == status, await response.text()
            return await response.json() if "json" in response.content_type else await response.text()

    async def raised(self, tenant: str, metric: Metric, since_s: int) -> UUID:
        """An anomaly of `gpt-4o` as the watch raises it; its alert's id."""
        cost = metric == "cost_rate"
        found = Raised(
            metric=metric, since_s=since_s, until_s=since_s + 40, factor=3.25, deviations=6.5, calls=40,
            seen=Decimal("0.00000000000000000000000123") if cost else 0.4, expected=Decimal("7.5") if cost else 0.01,
            usual_s=3600 if cost else None, calls_factor=1.5 if cost else None,
        )  # fmt: skip
        alert = anomaly_alert(tenant, "gpt-4o", found, [UUID(int=7)])
        async with self.pool.acquire() as connection:
            await alerts.raise_new(connection, [alert])
        return alert.alert_id


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(stack: LiveStack, topics: KafkaSettings, tmp_path_factory: Any) -> AsyncIterator[World]:
    url, log = await new_database(stack), Path(tmp_path_factory.mktemp("anomalies")) / "gateway.log"
    pool = await open_pool(url, size=2, application="test")
    _, key = await ApiKeys(pool).create("mine", "test")
    async with running(topics, url, log) as gateway:
        yield World(gateway, pool, url, key)
    await pool.close()


async def test_anomalies_come_newest_first_with_money_exact_and_calls_to_look_at(world: World) -> None:
    errors = await world.raised("mine", "error_rate", NOW_S - 60)
    cost = await world.raised("mine", "cost_rate", NOW_S - 50)
    await world.raised("another", "cost_rate", NOW_S - 40)
    over = Resolved(
        metric="error_rate", since_s=NOW_S - 60, until_s=NOW_S, reason="back to usual", peak_factor=44.0
    )  # fmt: skip
    async with world.pool.acquire() as connection:
        await alerts.resolve(connection, [resolved_alert("mine", "gpt-4o", over)])
    await world.pool.execute("INSERT INTO streams.cursors VALUES ('anomalies', $1)", NOW_S)
    answer = await world.ask("analytics/anomalies")
    first, second = answer["rows"]
    assert (first["alert_id"], second["alert_id"]) == (str(cost), str(errors))
    assert first["seen_usd"] == "0.00000000000000000000000123"
    assert (first["usual_usd"], first["usual_s"], first["seen"]) == ("7.5", 3600, None)
    assert first["resolved_at"] is None
    assert (second["seen"], second["resolved_because"], second["peak_factor"]) == (0.4, "back to usual", 44.0)
    assert second["look_at"] == [str(UUID(int=7))]
    assert datetime.fromisoformat(answer["watermark"]).timestamp() == NOW_S
    [page] = (await world.ask("analytics/anomalies", limit="1"))["rows"]
    following = (await world.ask("analytics/anomalies", limit="1"))["next"]
    [rest] = (await world.ask("analytics/anomalies", limit="1", cursor=following))["rows"]
    assert [page, rest] == [first, second]
    for filters, expected in (
        ({"state": "standing"}, [first]),
        ({"state": "resolved"}, [second]),
        ({"metric": "cost_rate"}, [first]),
        ({"model": "gpt-4"}, []),
        ({"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}, []),
    ):
        assert (await world.ask("analytics/anomalies", **filters))["rows"] == expected
    lines = list(csv.DictReader(io.StringIO(await world.ask("analytics/anomalies", format="csv"))))
    assert [line["seen_usd"] for line in lines] == ["0.00000000000000000000000123", ""]
    ran = await run_cli("anomalies", "list", "--all", "--json", environment={"OBSERVATORY_DATABASE_URL": world.url})
    shown = ran.answer()["anomalies"]
    assert isinstance(shown, list)
    assert [one["alert_id"] for one in shown if one["tenant_id"] == "mine"] == [str(cost), str(errors)]


async def test_wrong_questions_are_refused(world: World) -> None:
    await world.ask("analytics/anomalies", 422, metric="mood")
    await world.ask("analytics/anomalies", 422, colour="blue")
    await world.ask("analytics/anomalies", 403, tenant="another")
    await world.ask("analytics/anomalies", 400, cursor="nonsense")


async def test_a_key_sees_how_providers_are_but_not_how_much_others_call_them(world: World) -> None:
    failing = {"gpt-4o": Measured(calls=20, errors=20, faults=20, recent_calls=4, recent_faults=4)}
    judged = Judged(state=judge_provider(None, failing, NOW_S, 1), models=failing)
    async with world.pool.acquire() as connection:
        await save_health(connection, {"openai": judged}, NOW_S)
    [provider] = (await world.ask("providers/health"))["providers"]
    assert (provider["provider"], provider["state"], provider["calls"]) == ("openai", "down", None)
    assert datetime.fromisoformat(provider["measured_until"]).timestamp() == NOW_S
    [model] = provider["models"]
    assert (model["model"], model["state"], model["faults"], model["p95_ms"]) == ("gpt-4o", "down", None, None)
    ran = await run_cli("anomalies", "providers", "--json", environment={"OBSERVATORY_DATABASE_URL": world.url})
    shown = ran.answer()["providers"]
    assert isinstance(shown, list)
    assert [one["faults"] for one in shown] == [20]
