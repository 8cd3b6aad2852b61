"""`/api/v1/alerts`: a tenant's alerts, page by page."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

import aiohttp
import asyncpg

from tests.workers.gateway.conftest import Process


async def stored(database: asyncpg.Connection[asyncpg.Record], tenant: str, *, resolved: bool = False) -> UUID:
    alert_id = uuid4()
    await database.execute(
        """INSERT INTO ledger.alerts (alert_id, kind, severity, tenant_id, subject, occurrence, message, details,
             latest, resolved_at)
           VALUES ($1, 'budget_threshold', 'warning', $2, 'b', $3, 'm', '{}', '{"spent_usd": "1.5"}',
             CASE WHEN $4 THEN now() END)""",
        alert_id, tenant, str(alert_id), resolved,
    )  # fmt: skip
    return alert_id


async def test_alerts_come_newest_first_page_by_page(
    gateway: Process, http: aiohttp.ClientSession, database: asyncpg.Connection[asyncpg.Record]
) -> None:
    mine = [str(await stored(database, "default")) for _ in range(3)]
    over, others = await stored(database, "default", resolved=True), await stored(database, "another")
    url, found, cursor = f"{gateway.url}/api/v1/alerts", [], None
    while True:
        async with http.get(url, params={"limit": "2", **({"cursor": cursor} if cursor else {})}) as response:
            page = await response.json()
        found += [alert["alert_id"] for alert in page["alerts"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == mine[::-1]
    async with http.get(url, params={"state": "resolved"}) as response:
        assert [alert["alert_id"] for alert in (await response.json())["alerts"]] == [str(over)]
    for kind, ids in (("budget_threshold", mine[::-1]), ("unpriced_model", [])):
        async with http.get(url, params={"kind": kind}) as response:
            assert [alert["alert_id"] for alert in (await response.json())["alerts"]] == ids
    async with http.get(f"{url}/{over}") as response:
        assert (await response.json())["details"] == {"spent_usd": "1.5"}
    async with http.get(f"{url}/{others}") as response:
        assert response.status == 404


async def test_a_wrong_question_is_refused(gateway: Process, http: aiohttp.ClientSession) -> None:
    for query in ({"state": "sleeping"}, {"cursor": "nonsense"}, {"limit": "0"}, {"kind": "\0"}):
        async with http.get(f"{gateway.url}/api/v1/alerts", params=query) as response:
            assert response.status in (400, 422)
            assert response.content_type == "application/problem+json"


async def reached(
    database: asyncpg.Connection[asyncpg.Record], budget: str, period: str, *thresholds: str
) -> list[str]:
    """Alerts of a budget of the tenant `default`, as its thresholds are reached one after the other."""
    ids = [uuid4() for _ in thresholds]
    for alert_id, threshold in zip(ids, thresholds, strict=True):
        details = json.dumps({"threshold": threshold, "period_start": period, "limit_usd": "10"})
        await database.execute(
            """INSERT INTO ledger.alerts (alert_id, kind, severity, tenant_id, subject, occurrence, message,
                 details, latest)
               VALUES ($1, 'budget_threshold', 'warning', 'default', $2, $3, $4, $5::jsonb, $5::jsonb)""",
            alert_id, budget, f"{period} {threshold}", f"{budget} has reached {threshold}", details,
        )  # fmt: skip
    return [str(each) for each in ids]


async def test_thresholds_of_one_budget_and_period_are_folded_into_the_highest(
    gateway: Process, http: aiohttp.ClientSession, database: asyncpg.Connection[asyncpg.Record]
) -> None:
    async def told(**query: str) -> dict[str, list[str]]:
        """The alerts of these budgets, each with what is folded into it."""
        async with http.get(f"{gateway.url}/api/v1/alerts", params={"limit": "100", **query}) as response:
            alerts = (await response.json())["alerts"]
        mine = [alert for alert in alerts if alert["subject"].startswith("folded-")]
        return {alert["alert_id"]: [each["alert_id"] for each in alert["folded"]] for alert in mine}

    async def counted() -> int:
        async with http.get(f"{gateway.url}/api/v1/alerts/standing") as response:
            return int((await response.json())["alerts"])

    before = await counted()
    half, most, whole = await reached(database, "folded-a", "2026-11-01", "0.5", "0.8", "1")
    (next_month,) = await reached(database, "folded-a", "2026-12-01", "0.5")
    (other,) = await reached(database, "folded-b", "2026-11-01", "0.9")
    assert await told(fold="true") == {whole: [most, half], next_month: [], other: []}
    assert await counted() == before + 3
    assert await told() == {each: [] for each in (half, most, whole, next_month, other)}
    await database.execute("UPDATE ledger.alerts SET resolved_at = now() WHERE alert_id = $1", whole)
    assert await told(fold="true", kind="budget_threshold") == {most: [half], next_month: [], other: []}
    assert await told(fold="true", state="resolved") == {whole: []}
