"""The page as its tests see it: where it is, what SQL says of the same calls, and what axe finds on it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
from playwright.async_api import Locator, Page

from tests.scenarios.programs import observatory

AXE = Path(__file__).resolve().parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice")


@dataclass(frozen=True)
class Site:
    """A gateway that serves the page, and the database behind it."""

    environment: Mapping[str, str]
    pool: asyncpg.Pool[asyncpg.Record]

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.environment['OBSERVATORY_HTTP_PORT']}"

    async def value(self, query: str, *arguments: object) -> Any:
        """The one value that SQL gives."""
        return await self.pool.fetchval(query, *arguments)

    async def rows(self, query: str, *arguments: object) -> Sequence[asyncpg.Record]:
        """What SQL gives."""
        return await self.pool.fetch(query, *arguments)

    async def command(self, *arguments: str) -> str:
        """What an `observatory` command prints."""
        done = await asyncio.to_thread(observatory, dict(self.environment), *arguments)
        return done.stdout


async def axe(page: Page) -> list[str]:
    """What axe-core finds wrong on the page, one line for each kind of fault."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE.read_text(encoding="utf-8"))
    found = await page.evaluate("rules => axe.run(document, {runOnly: {type: 'tag', values: rules}})", list(RULES))
    return [
        f"{fault['id']}: {fault['help']}: {[node['html'][:160] for node in fault['nodes'][:3]]}"
        for fault in found["violations"]
    ]


async def hint(page: Page, figure: Locator) -> str:
    """What a figure says in its hint."""
    await figure.get_by_role("button").focus()
    text = await page.get_by_role("tooltip").inner_text()
    await figure.get_by_role("button").blur()
    return text


async def until(page: Page, condition: str, patience_s: float = 30.0) -> None:
    """Returns when the condition, JavaScript, holds: the page's policy keeps Playwright from waiting for it there."""
    async with asyncio.timeout(patience_s):
        while not await page.evaluate(condition):  # noqa: ASYNC110  # what is waited for happens in another process
            await asyncio.sleep(0.05)


def exact(text: str) -> Decimal:
    """The amount in a title such as `$1,234.5678 exactly`."""
    amount = text.removesuffix(" exactly").replace("$", "").replace(",", "").replace("−", "-")
    return Decimal(amount)
