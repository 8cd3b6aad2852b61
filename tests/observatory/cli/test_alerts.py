"""`observatory alerts`: what stands, what stood, and events as they come."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.observatory.cli.conftest import Cli
from tests.streams.ledger.calls import call
from tests.streams.ledger.ground import Ground


async def test_an_alert_is_followed_listed_and_resolved(ground: Ground, cli: Cli) -> None:
    assert (await cli("alerts", "list")).stdout == "No alert stands.\n"
    following = asyncio.create_task(cli("alerts", "follow", "--limit", "2", "--timeout", "50s", "--json"))
    unpriced = call(tenant_id="acme", cost_usd=None, response_model="gpt-99")

    async def listed(*options: str) -> list[Any]:
        found = (await cli("alerts", "list", "--tenant", "acme", "--json", *options)).json()
        assert isinstance(found, list)
        return found

    async def raised() -> bool:
        return bool(await listed())

    async def resolved() -> bool:
        return not await listed()

    async with ground.ledger():
        await ground.produce([unpriced])
        await ground.until(raised)
        (alert,) = await listed()
        assert (alert["kind"], alert["subject"], alert["details"]["unpriced_calls"]) == (
            "unpriced_model",
            "sim-openai gpt-99",
            1,
        )
        assert await listed("--kind", "budget_threshold") == []
        assert await listed("--kind", "unpriced_model") == [alert]
        assert "no price is known for gpt-99" in (await cli("alerts", "list")).stdout
        await ground.produce([{**unpriced, "revision": 2, "cost_usd": "0.5"}])
        await ground.until(resolved)
        events = (await following).lines()
    types = [event["type"] for event in events if isinstance(event, dict)]
    assert types == ["alert.raised.v1", "alert.resolved.v1"]
    (past,) = await listed("--all")
    assert past["resolved_at"] is not None
