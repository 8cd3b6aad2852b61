"""`/api/v1/alerts`: a tenant's alerts, page by page."""

from __future__ import annotations

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
