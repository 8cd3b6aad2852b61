"""A conversation with a failed attempt and a slow one, real ones: for the pages that show where time went."""

from __future__ import annotations

import asyncio

from tests.web.site import Site

TENANT = "patient"
NAME = "slow/talk 100%"
"""Which addresses must write otherwise."""

TURNS = ("[[sim in=100 out=8]]", "[[sim in=300 out=20 ttft=1200 chunks=4 gap=100 fault=500 first=1]]")
_CALLS = 3
PATIENCE_S = 30


async def slow_talk(site: Site) -> None:
    """Has its two turns once, and returns when its calls, its traces and itself can be asked for."""
    if not await site.value("SELECT count(*) FROM ledger.calls WHERE tenant_id = $1", TENANT):
        for says in TURNS:
            await site.command("publish", says, "--tenant", TENANT, "--conversation", NAME, "--stream", "--wait")
    async with asyncio.timeout(PATIENCE_S):
        while not await site.value(  # noqa: ASYNC110  # what is waited for happens in other processes
            """SELECT (SELECT count(*) = $2 FROM ledger.calls WHERE tenant_id = $1)
                  AND (SELECT count(*) = $3 FROM streams.traces WHERE tenant_id = $1
                        AND state -> 'conversation_ids' <> '[]')
                  AND (SELECT count(*) = 1 FROM streams.conversations WHERE tenant_id = $1)""",
            TENANT, _CALLS, len(TURNS),
        ):  # fmt: skip
            await asyncio.sleep(0.05)
