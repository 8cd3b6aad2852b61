"""Performance: its figures are SQL's, and it leads to the slowest calls and on to where their time went."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, Page, Route, expect

from observatory.rules.sketch import MAX_RELATIVE_ERROR
from tests.web.looks import faults
from tests.web.site import Site
from tests.web.slow_talk import TENANT, slow_talk

DAY = "started_at >= now() - interval '24 hours'"
SENT = f"{DAY} AND status <> 'not_sent'"
PARTS = {"Waiting": "queue_ms", "Policy": "policy_ms", "First token": "ttft_ms", "Streaming": "total_ms - ttft_ms"}
NEAR = MAX_RELATIVE_ERROR + 1e-6


async def number(cell: Locator) -> float:
    """The value of a cell, with all its digits."""
    return float(await cell.locator("data").get_attribute("value") or "nan")


async def percentile(site: Site, value: str, share: float, where: str = "true") -> float:
    query = f"SELECT percentile_disc($1) WITHIN GROUP (ORDER BY {value}) FROM ledger.calls WHERE {SENT} AND {where}"
    return float(await site.value(query, share))


async def test_every_part_of_the_time_is_that_of_sql(page: Page, site: Site) -> None:
    await page.goto("/performance")
    table = page.get_by_role("table", name="Parts of the time")
    for part, value in PARTS.items():
        cells = table.get_by_role("row", name=re.compile(f"^{part}")).locator("td")
        for column, share in ((2, 0.5), (3, 0.95), (4, 0.99)):
            wanted = await percentile(site, value, share)
            assert await number(cells.nth(column)) == pytest.approx(wanted, rel=NEAR), part
        told = await site.value(f"SELECT count({value}) FROM ledger.calls WHERE {SENT}")
        assert await number(cells.nth(5)) == told > 0
    await expect(page.get_by_role("img", name=re.compile("^Parts of the time of all calls: Waiting"))).to_be_visible()


async def test_groups_stand_side_by_side_as_sql_has_them(page: Page, site: Site) -> None:
    await page.goto("/performance?by=model&order=calls")
    rows = page.get_by_role("table", name="Models side by side").locator("tbody tr")
    model = "coalesce(response_model, request_model)"
    wanted = await site.rows(
        f"""SELECT {model} AS name, count(*) AS calls, count(*) FILTER (WHERE status = 'error') AS errors,
                   percentile_disc(0.95) WITHIN GROUP (ORDER BY total_ms) AS p95
              FROM ledger.calls WHERE {SENT} GROUP BY 1 ORDER BY 2 DESC, 1"""
    )
    await expect(rows.first).to_be_visible()
    for index, row in enumerate(wanted):  # behind them stand those that had calls in the period before only
        cells = rows.nth(index).locator("td")
        await expect(cells.nth(0)).to_have_text(row["name"])
        assert await number(cells.nth(3)) == pytest.approx(row["p95"], rel=NEAR)
        assert await number(cells.nth(7)) == pytest.approx(row["errors"] / row["calls"])
        assert await number(cells.nth(9)) == row["calls"]
    await rows.nth(0).get_by_role("link").click()
    await expect(page.get_by_role("button", name=f"Remove the filter Model: {wanted[0]['name']}")).to_be_visible()


async def test_the_slowest_call_and_where_its_time_went_is_two_clicks_away(page: Page, site: Site) -> None:
    await slow_talk(site)
    slowest = (
        await site.rows("SELECT * FROM ledger.calls WHERE tenant_id = $1 ORDER BY total_ms DESC LIMIT 1", TENANT)
    )[0]
    await page.goto(f"/performance?tenant={TENANT}")
    first = page.get_by_role("table", name="Slowest calls").locator("tbody tr").first
    await expect(first.get_by_role("img", name=re.compile("^Its time: "))).to_be_visible()
    await first.get_by_role("link").click()
    assert str(slowest["call_id"]) in page.url
    for part, wanted in (("waiting", slowest["queue_ms"]), ("first_token", slowest["ttft_ms"])):
        assert await number(page.get_by_test_id(f"part-{part}")) == wanted
    streaming = await number(page.get_by_test_id("part-streaming"))
    assert streaming == pytest.approx(slowest["total_ms"] - slowest["ttft_ms"])
    await page.get_by_role("link", name="Its trace, span by span").click()
    chosen = page.get_by_role("treeitem", selected=True)
    await expect(chosen).to_contain_text(f"chat {slowest['request_model']}")
    await expect(page.get_by_label("The span")).to_contain_text(str(slowest["call_id"]))


async def test_a_cell_of_the_heat_map_says_how_many_and_leads_to_its_calls(page: Page, site: Site) -> None:
    await page.goto("/performance")
    heat = page.get_by_role("application")
    await heat.focus()
    cell = page.get_by_test_id("cell")
    counted = 0
    await page.keyboard.press("ArrowUp")
    for _ in range(40):
        await page.keyboard.press("ArrowUp")
    said = None
    while (text := await cell.inner_text()) != said:
        said = text
        found = re.search(r": ([\d,]+) calls? took", text)
        assert found, text
        counted += int(found[1].replace(",", ""))
        await page.keyboard.press("ArrowDown")
    hour = "date_trunc('hour', started_at) = (SELECT max(date_trunc('hour', started_at)) FROM ledger.calls)"
    wanted = await site.value(f"SELECT count(total_ms) FROM ledger.calls WHERE {SENT} AND {hour}")
    assert counted == wanted > 0
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Calls", exact=True)).to_be_visible()
    listed = page.get_by_role("table", name="Calls").locator("tbody tr")
    await expect(listed).to_have_count(min(30, await site.value(f"SELECT count(*) FROM ledger.calls WHERE {hour}")))


async def test_the_page_is_in_order_in_both_themes_and_widths(page: Page) -> None:
    await page.goto("/performance")
    await expect(page.get_by_role("table", name="Slowest calls").locator("tbody tr").first).to_be_visible()
    await expect(page.locator("canvas").first).to_be_visible()
    await expect(page.get_by_role("table", name="Providers side by side")).to_be_visible()
    assert await faults(page, "performance") == []


async def test_what_cannot_be_had_says_so_and_comes_back(page: Page) -> None:
    async def broken(route: Route) -> None:
        await route.fulfill(status=422, json={"title": "Too much", "detail": "ask for a shorter period"})

    await page.route("**/api/v1/analytics/latency/parts**", broken)
    await page.goto("/performance?refresh=off")
    failed = page.get_by_role("alert").filter(has_text="ask for a shorter period")
    await expect(failed).to_be_visible()
    await expect(page.get_by_role("table", name="Slowest calls")).to_be_visible()
    await page.unroute("**/api/v1/analytics/latency/parts**")
    await failed.get_by_role("button", name="Try again").click()
    await expect(page.get_by_role("table", name="Parts of the time")).to_be_visible()


async def test_a_period_without_calls_is_said_to_be_empty(page: Page) -> None:
    await page.goto("/performance?from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z")
    await expect(page.get_by_text("No calls in this period").first).to_be_visible()
    await expect(page.get_by_text("No call of this period tells how long it took").first).to_be_visible()
