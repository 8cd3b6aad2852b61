"""The costs: by any grouping as SQL has them, down to the call; budgets, waste, what is not exact, re-pricing."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from playwright.async_api import Locator, Page, expect

from tests.web.looks import faults
from tests.web.site import Site, exact, hint

DAY = "started_at >= now() - interval '24 hours'"
SENT = f"{DAY} AND status <> 'not_sent'"
MODEL = "coalesce(response_model, request_model)"


async def amount(cell: Locator) -> Decimal:
    """The amount of a cell, with all its digits."""
    return Decimal(await cell.locator("data").get_attribute("value") or "")


@pytest.mark.parametrize(("by", "column"), [("model", MODEL), ("user", "user_id"), ("status", "status")])
async def test_groups_cost_what_sql_says(page: Page, site: Site, by: str, column: str) -> None:
    await page.goto(f"/costs?by={by}")
    rows = page.get_by_role("table", name=f"Costs by {by}").locator("tbody tr")
    wanted = await site.rows(
        f"""SELECT {column} AS name, count(*) AS calls, coalesce(sum(cost_usd), 0) AS cost
              FROM ledger.calls WHERE {SENT} GROUP BY 1 ORDER BY 3 DESC, 1 LIMIT 25"""
    )
    await expect(rows.first).to_be_visible()
    for index, row in enumerate(wanted[:5]):
        cells = rows.nth(index).locator("td")
        await expect(cells.nth(0)).to_have_text(row["name"] or "(none)")
        assert await amount(cells.nth(2)) == row["cost"]
    assert exact(await hint(page, page.get_by_test_id("cost"))) == await site.value(
        f"SELECT sum(cost_usd) FROM ledger.calls WHERE {SENT}"
    )


async def test_a_chart_is_a_table_for_who_does_not_see_it(page: Page, site: Site) -> None:
    await page.goto("/costs?refresh=off")
    button = page.get_by_role("button", name="Cost by hour and model: as a table")
    await button.focus()
    await page.keyboard.press("Enter")
    await expect(button).to_have_attribute("aria-pressed", "true")
    await page.keyboard.press("Tab")
    table = page.get_by_role("region", name="Cost by hour and model")
    await expect(table).to_be_focused()
    model = await table.locator("thead th").nth(1).inner_text()
    cells = await table.locator("tbody td:nth-child(2)").all_inner_texts()
    shown = [Decimal(text.removeprefix("$")) for text in cells if text != "$0"]
    wanted = await site.rows(
        f"""SELECT date_trunc('hour', started_at) AS hour, sum(cost_usd) AS cost FROM ledger.calls
             WHERE {SENT} AND {MODEL} = $1 GROUP BY 1 HAVING sum(cost_usd) > 0 ORDER BY 1""",
        model,
    )
    assert shown == [pytest.approx(row["cost"], rel=Decimal("0.005")) for row in wanted]
    assert len(shown) > 5
    await button.press("Enter")
    await expect(table).to_be_hidden()


async def test_one_drills_down_from_a_model_to_the_call(page: Page, site: Site) -> None:
    await page.goto("/costs")
    table = page.get_by_role("table", name="Costs by model")
    model = await table.locator("tbody tr").first.get_by_role("link").inner_text()
    await table.get_by_role("link", name=model).click()
    users = page.get_by_role("table", name="Costs by user")
    user = await users.locator("tbody tr").first.get_by_role("link").inner_text()
    await users.get_by_role("link", name=user).click()
    await expect(page.get_by_role("table", name="Costs by conversation")).to_be_visible()
    dearest = await site.rows(
        f"SELECT call_id, cost_usd FROM ledger.calls WHERE {DAY} AND {MODEL} = $1 AND user_id = $2"
        " ORDER BY coalesce(cost_usd, -1) DESC, call_id DESC",
        model, user,
    )  # fmt: skip
    calls = page.get_by_role("table", name="Calls", exact=True).locator("tbody tr")
    await expect(calls).to_have_count(min(15, len(dearest)))
    await calls.first.get_by_role("link").click()
    sheet = page.get_by_role("dialog", name="Call")
    await expect(sheet).to_contain_text(str(dearest[0]["call_id"]))
    assert await amount(sheet.get_by_test_id("call-cost")) == dearest[0]["cost_usd"]
    for part in (f"model={model}", "user=", f"call={dearest[0]['call_id']}"):
        assert part in page.url
    await page.reload()
    await expect(page.get_by_role("dialog", name="Call")).to_contain_text(str(dearest[0]["call_id"]))
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog", name="Call")).to_be_hidden()
    await page.go_back()
    await expect(page.get_by_role("table", name="Costs by conversation")).to_be_visible()


async def test_a_conversation_is_found_by_its_name(page: Page, site: Site) -> None:
    await page.goto("/costs?conversation=demo-3&by=model")
    cost = await site.value("SELECT sum(cost_usd) FROM ledger.calls WHERE conversation_id = 'demo-3'")
    await expect(page.get_by_role("button", name="Remove the filter Conversation: demo-3")).to_be_visible()
    assert exact(await hint(page, page.get_by_test_id("cost"))) == cost


async def test_budgets_stand_as_the_ledger_has_them(page: Page, site: Site) -> None:
    await page.goto("/costs?tab=budgets")
    spent = await site.value("SELECT sum(cost_usd) FROM ledger.calls WHERE tenant_id = 'globex'")
    soft = page.get_by_role("article", name="Budget globex-all")
    await expect(soft).to_contain_text("Used up")
    assert Decimal(await soft.locator("data").first.get_attribute("value") or "") == spent
    hard = page.get_by_role("article", name="Budget acme-all")
    await expect(hard).to_contain_text("hard")
    await expect(hard.get_by_role("meter")).to_have_attribute("aria-valuetext", re.compile(r"% spent"))
    assert await faults(page, "costs-budgets") == []


async def test_waste_is_told_by_cause(page: Page, site: Site) -> None:
    await page.goto("/costs?tab=waste")
    failed = await site.value(f"SELECT count(*) FROM ledger.calls WHERE {SENT} AND status = 'error'")
    await expect(page.get_by_role("table", name="Waste by cause")).to_contain_text("Refused, or failed")
    assert failed > 0
    wasted = page.locator("dl", has=page.get_by_test_id("wasted"))
    await expect(wasted).to_contain_text(f"{failed} attempts")
    assert await faults(page, "costs-waste") == []


async def test_what_has_no_price_stands_apart(page: Page, site: Site) -> None:
    await page.goto("/costs?tab=inexact")
    unpriced = await site.value(f"SELECT count(*) FROM ledger.calls WHERE {SENT} AND cost_usd IS NULL")
    assert unpriced > 0
    await expect(page.get_by_test_id("unpriced")).to_have_text(str(unpriced))
    row = page.get_by_role("table", name="Calls without a price, by model").get_by_role("row", name="priceless")
    await expect(row.locator("td").nth(2)).to_have_text(str(unpriced))
    assert await faults(page, "costs-inexact") == []


async def test_a_repricing_report_says_what_calls_would_cost(page: Page, site: Site) -> None:
    await page.goto("/costs?tab=repricing")
    more = await site.value("SELECT sum(cost_usd) - sum(cost_before_usd) FROM ledger.repriced_calls")
    assert more > 0
    assert exact(await hint(page, page.get_by_test_id("repriced"))) == more
    assert await faults(page, "costs-repricing") == []


async def test_it_is_readable_in_both_themes_and_widths(page: Page) -> None:
    await page.goto("/costs?last=24h&refresh=off")
    await page.get_by_role("table", name="Calls", exact=True).wait_for()
    await expect(page.locator("canvas")).to_have_count(1)
    assert await faults(page, "costs") == []
    call = page.get_by_role("table", name="Calls", exact=True).locator("tbody tr").first
    await call.get_by_role("link").click()
    await page.get_by_role("dialog", name="Call").get_by_role("table").wait_for()
    assert await faults(page, "call", whole=False) == []
