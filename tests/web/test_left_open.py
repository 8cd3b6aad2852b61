"""A page that is left open: however often it asks again, it keeps no more than before."""

from __future__ import annotations

import asyncio
from pathlib import Path

from playwright.async_api import Page

from tests.web.site import Site, until
from tests.web.slow_talk import slow_talk

POLLS = Path(__file__).with_name("polls.js")
ASKED = 80
"""Questions before the first measurement, and between the two."""

BYTES_A_QUESTION = 1_500
"""An answer that was kept would take several thousand."""

PAGES = (
    "/costs", "/costs?tab=budgets", "/performance", "/conversations", "/calls?order=latest", "/traces",
    "/quality?view=scores", "/health", "/health?view=processes",
)  # fmt: skip


async def test_no_page_that_asks_again_grows(page: Page, site: Site) -> None:
    await slow_talk(site)
    tabs = [page, *[await page.context.new_page() for _ in PAGES[1:]]]
    grown = await asyncio.gather(*(growth(tab, address) for tab, address in zip(tabs, PAGES, strict=True)))
    assert {address: bytes_ for address, bytes_ in zip(PAGES, grown, strict=True) if bytes_ > BYTES_A_QUESTION} == {}


async def growth(tab: Page, address: str) -> float:
    """Bytes that each further question leaves behind."""
    await tab.add_init_script(path=POLLS)
    await tab.goto(address)
    session = await tab.context.new_cdp_session(tab)

    async def heap_after(questions: int) -> int:
        await until(tab, f"window.asked >= {questions}")
        await tab.evaluate("window.hold = true")
        await session.send("HeapProfiler.collectGarbage")
        await session.send("HeapProfiler.collectGarbage")  # what the first one released
        used = await session.send("Runtime.getHeapUsage")
        await tab.evaluate("window.hold = false")
        return int(used["usedSize"])

    first, last = await heap_after(ASKED), await heap_after(2 * ASKED)
    return (last - first) / ASKED
