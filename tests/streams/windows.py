"""Windows as the fold over calls leaves them in the database."""

from datetime import UTC, datetime

import orjson

from observatory.rules.sketch import index_of, pack
from tests.streams.engine.ground import StreamGround

BEGIN_S = int(datetime(2026, 11, 23, 9, tzinfo=UTC).timestamp())
WARM_UP_S = 600


class WindowRows:
    """Seconds of one tenant's calls, written as the fold writes them."""

    def __init__(self, ground: StreamGround, begin_s: int = BEGIN_S) -> None:
        self.ground, self.second = ground, begin_s

    async def add(self, seconds: int, *, failing: int = 0, usd: str = "0.0004") -> None:
        """So many seconds with three calls or four each, of which so many fail."""
        rows = []
        for second in range(self.second, self.second + seconds):
            calls = 3 + (second * 7) % 2
            cell = {
                "tenant_id": "acme", "provider": "openai", "model": "gpt-4o-mini-2024-07-18", "calls": calls,
                "errors": min(failing, calls), "unpriced_calls": 0, "input_tokens": 300 * calls,
                "output_tokens": (90 + second % 17) * calls, "cost_usd": usd, "faults": min(failing, calls),
                "latency_ms_hist": pack({index_of(700 + second * 37 % 200): calls}), "ttft_ms_hist": [],
            }  # fmt: skip
            rows.append((second % 8, str(second), 1, orjson.dumps({"second": second, "cells": [cell]}).decode()))
        self.second += seconds
        await self.ground.pool.executemany(
            "INSERT INTO streams.windows (part, key, version, touched_at, state) VALUES ($1, $2, $3, now(), $4)", rows
        )
