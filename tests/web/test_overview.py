"""The overview: its figures are SQL's, live ones move, what changed is said, an error is shown and goes away."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from playwright.async_api import Page, Route, expect

from tests.web.looks import faults
from tests.web.site import Site, exact, hint, until

FEED = Path(__file__).with_name("feed.js")
BYTES_AN_UPDATE = 400
"""An update that was kept would take some thousand."""

NOW = "started_at >= now() - interval '24 hours' AND status <> 'not_sent'"
BEFORE = "started_at >= now() - interval '48 hours' AND started_at < now() - interval '24 hours'"


async def test_figures_of_the_period_are_those_of_sql(page: Page, site: Site) -> None:
    await page.goto("/")
    cost = await site.value(f"SELECT sum(cost_usd) FROM ledger.calls WHERE {NOW}")
    assert exact(await hint(page, page.get_by_test_id("cost"))) == cost
    calls = await site.value(f"SELECT count(*) FROM ledger.calls WHERE {NOW}")
    await expect(page.get_by_test_id("calls")).to_have_text(f"{calls:,}")
    errors = await site.value(f"SELECT count(*) FROM ledger.calls WHERE {NOW} AND status = 'error'")
    assert await hint(page, page.get_by_test_id("errors")) == f"{errors:,} of {calls:,} calls"
    assert errors > 0
    await expect(page.get_by_text(re.compile(r"^complete to \d\d:\d\d:\d\d")).first).to_be_visible()


async def test_what_changed_is_who_and_why(page: Page, site: Site) -> None:
    await page.goto("/?changed=tenant")
    rows = page.get_by_role("table", name="What changed most, by tenant").locator("tbody tr")
    wanted = await site.rows(
        f"""SELECT tenant_id, coalesce(sum(cost_usd) FILTER (WHERE {NOW}), 0)
                            - coalesce(sum(cost_usd) FILTER (WHERE {BEFORE}), 0) AS difference
              FROM ledger.calls GROUP BY 1 ORDER BY abs(coalesce(sum(cost_usd) FILTER (WHERE {NOW}), 0)
                            - coalesce(sum(cost_usd) FILTER (WHERE {BEFORE}), 0)) DESC"""
    )
    await expect(rows).to_have_count(len(wanted))
    for index, row in enumerate(wanted):
        cells = rows.nth(index).locator("td")
        await expect(cells.nth(0)).to_have_text(row["tenant_id"])
        shown = await cells.nth(1).locator("data").get_attribute("value")
        assert Decimal(shown or "") == row["difference"]
    total = sum(row["difference"] for row in wanted)
    await expect(page.get_by_test_id("why")).to_contain_text("Cost rose by" if total > 0 else "Cost fell by")
    await rows.nth(0).get_by_role("link").click()
    await expect(page.get_by_role("heading", name="Costs", exact=True)).to_be_visible()
    assert f"tenant={wanted[0]['tenant_id']}" in page.url


async def test_live_figures_move_with_what_is_called(page: Page, site: Site) -> None:
    await page.goto("/?tenant=watched")
    await expect(page.get_by_test_id("live")).to_contain_text("live, complete to")
    await expect(page.get_by_test_id("live-calls")).to_have_text("0")
    await site.command("publish", "[[sim in=1000 out=10]]", "--count", "25", "--model", "gpt-4o", "--tenant", "watched")
    await expect(page.get_by_test_id("live-calls")).to_have_text("25")
    # The figure is that of the minute whose end stands beside it; both may move while they are read.
    for _ in range(20):
        end = await shown_until(page)
        shown = exact(await hint(page, page.get_by_test_id("live-cost")))
        if await shown_until(page) == end:
            break
    wanted = await site.value(
        "SELECT sum(cost_usd) FROM streams.window_cells WHERE tenant_id = 'watched' AND second >= $1 AND second < $2",
        end - 60, end,
    )  # fmt: skip
    assert shown == wanted == await site.value("SELECT sum(cost_usd) FROM ledger.calls WHERE tenant_id = 'watched'")


async def shown_until(page: Page) -> int:
    """The second up to which the live figures are complete."""
    return round(
        datetime.fromisoformat(await page.get_by_test_id("live").get_attribute("data-until") or "").timestamp()
    )


async def test_an_api_that_breaks_is_said_and_recovers(page: Page) -> None:
    broken = True

    async def failing(route: Route) -> None:
        if broken:
            problem = {"title": "Not available", "detail": "the database is away; try again"}
            await route.fulfill(status=503, json=problem)
        else:
            await route.continue_()

    await page.route("**/api/v1/analytics/**", failing)
    await page.goto("/?refresh=off")
    alert = page.get_by_role("alert").filter(has_text="the database is away").first
    await expect(alert).to_be_visible()
    broken = False
    await alert.get_by_role("button", name="Try again").click()
    await expect(page.get_by_test_id("cost")).to_be_visible()


async def test_a_period_without_calls_says_so(page: Page) -> None:
    await page.goto("/?from=2020-01-01T00:00:00.000Z&to=2020-01-02T00:00:00.000Z")
    await expect(page.get_by_text("No calls in this period")).to_be_visible()


async def test_it_is_readable_in_both_themes_and_widths(page: Page) -> None:
    await page.goto("/?last=24h&refresh=off")
    await page.get_by_test_id("cost").wait_for()
    await page.get_by_test_id("live-calls").wait_for()
    await expect(page.locator("canvas")).to_have_count(5)
    assert await faults(page, "overview") == []


async def test_live_updates_take_no_memory(page: Page) -> None:
    """As fast as the page takes them, from a feed that is made up: once what is kept is full, it grows no more."""
    await page.add_init_script(path=FEED)
    await page.goto("/?refresh=off")
    session = await page.context.new_cdp_session(page)

    async def heap_after(updates: int) -> int:
        await until(page, f"window.told >= {updates}")
        await page.evaluate("window.hold = true")
        await until(page, "window.held")
        await session.send("HeapProfiler.collectGarbage")
        await session.send("HeapProfiler.collectGarbage")  # what the first one released
        used = await session.send("Runtime.getHeapUsage")
        await page.evaluate("window.hold = false")
        return int(used["usedSize"])

    first, last = await heap_after(600), await heap_after(1200)
    assert last < first + BYTES_AN_UPDATE * 600, (first, last)
    assert await page.evaluate("document.querySelectorAll('*').length") < 3_000
