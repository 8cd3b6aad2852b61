"""Conversations, calls and traces: found, and shown to the last attempt and span as SQL has them."""

from __future__ import annotations

import re
from decimal import Decimal
from urllib.parse import unquote

import asyncpg
import pytest
from playwright.async_api import Page, Route, expect

from tests.web.looks import faults
from tests.web.site import Site, exact, hint
from tests.web.slow_talk import NAME, TENANT, slow_talk

DAY = "started_at >= now() - interval '24 hours'"


def of_call(fact: asyncpg.Record) -> re.Pattern[str]:
    """The address of a call's page."""
    return re.compile(f"^/calls/{fact['call_id']}")


async def test_a_conversation_is_found_and_told_turn_by_turn_to_the_last_digit(page: Page, site: Site) -> None:
    await slow_talk(site)
    await page.goto("/conversations")
    await page.get_by_role("searchbox", name="Part of a name").fill("TALK 100%")
    link = page.get_by_role("table", name="Conversations").get_by_role("link", name=NAME, exact=True)
    await expect(page).to_have_url(re.compile("[?&]q=TALK"))
    await link.click()
    facts = await site.rows(
        """SELECT *, min(started_at) OVER (PARTITION BY request_id) AS began FROM ledger.calls
            WHERE tenant_id = $1 AND conversation_id = $2 ORDER BY began, request_id, attempt""",
        TENANT, NAME,
    )  # fmt: skip
    assert exact(await hint(page, page.get_by_test_id("cost"))) == sum(fact["cost_usd"] or 0 for fact in facts)
    await page.reload()
    turns = page.get_by_role("list", name="Turns").get_by_role("listitem")
    await expect(turns).to_have_count(len({fact["request_id"] for fact in facts}))
    attempts = turns.locator("tbody tr")
    await expect(attempts).to_have_count(len(facts))
    for index, fact in enumerate(facts):
        row = attempts.nth(index)
        await expect(row.get_by_role("link")).to_have_attribute("href", of_call(fact))
        if fact["cost_usd"] is None:
            await expect(row).to_contain_text("no price")
        else:
            text = await row.locator("td").last.inner_text()
            assert Decimal(text.removeprefix("$")) == fact["cost_usd"]
    assert any(fact["attempt"] > 1 for fact in facts)
    assert await faults(page, "conversation") == []


async def test_lists_are_filtered_and_say_what_they_do_not_follow(page: Page, site: Site) -> None:
    await page.goto("/conversations?tenant=globex&order=cost&status=error")
    rows = page.get_by_role("table", name="Conversations").locator("tbody tr")
    wanted = await site.rows(
        """SELECT conversation_id FROM ledger.calls
             WHERE tenant_id = 'globex' AND conversation_id IS NOT NULL
             GROUP BY 1 HAVING max(started_at) >= now() - interval '24 hours' ORDER BY sum(cost_usd) DESC LIMIT 3"""
    )
    await expect(rows.first).to_be_visible()
    for index, row in enumerate(wanted):
        await expect(rows.nth(index).locator("td").first).to_have_text(row["conversation_id"])
    await expect(page.get_by_role("note")).to_have_text("Filters: Status is not followed here.")
    await page.get_by_role("searchbox", name="Part of a name").fill("surely no such name")
    await expect(page.get_by_text("No such conversation in this period")).to_be_visible()
    assert await faults(page, "conversations-none") == []


async def test_the_list_of_calls_goes_on_page_by_page(page: Page, site: Site) -> None:
    await page.goto("/calls?order=cost&refresh=off")
    rows = page.get_by_role("table", name="Calls").locator("tbody tr")
    await expect(rows).to_have_count(30)
    ranked = await site.rows(
        f"SELECT call_id FROM ledger.calls WHERE {DAY} ORDER BY coalesce(cost_usd, -1) DESC, call_id DESC LIMIT 31"
    )
    assert str(ranked[0]["call_id"]) in (await rows.first.get_by_role("link").get_attribute("href") or "")
    assert await faults(page, "calls") == []
    await page.get_by_role("link", name="Next page").click()
    await expect(rows.first.get_by_role("link")).to_have_attribute("href", of_call(ranked[30]))
    await page.get_by_role("link", name="First page").click()
    await expect(rows.first.get_by_role("link")).to_have_attribute("href", of_call(ranked[0]))


async def test_a_call_tells_all_of_its_request_and_leads_to_its_conversation(page: Page, site: Site) -> None:
    await slow_talk(site)
    fact = (
        await site.rows(
            """SELECT c.*, (SELECT count(*) FROM ledger.calls o WHERE o.request_id = c.request_id) AS attempts
                 FROM ledger.calls c WHERE tenant_id = $1 AND attempt = 2""",
            TENANT,
        )
    )[0]
    await page.goto(f"/calls/{fact['call_id']}")
    await expect(page.get_by_role("table", name="All calls of the request").locator("tbody tr")).to_have_count(
        fact["attempts"]
    )
    assert exact(await hint(page, page.get_by_test_id("cost"))) == fact["cost_usd"]
    assert await faults(page, "call-page") == []
    await page.get_by_label("What it was").get_by_role("link").click()
    await expect(page.get_by_role("heading", name=fact["conversation_id"])).to_be_visible()
    await page.goto("/calls/00000000-0000-4000-8000-000000000000")
    await expect(page.get_by_role("alert")).to_contain_text("there is no call")


async def test_a_trace_is_a_waterfall_that_keys_go_through(page: Page, site: Site) -> None:
    await page.goto("/traces?error=true")
    rows = page.get_by_role("table", name="Traces").locator("tbody tr")
    await expect(rows.first).to_be_visible()
    assert await faults(page, "traces") == []
    await rows.first.get_by_role("link").click()
    spans = page.get_by_role("treeitem")
    await expect(spans.first).to_be_visible()
    trace = unquote(page.url).split("/traces/")[1].split("?")[0]
    wanted = await site.value("SELECT count(*) FROM ledger.spans WHERE trace_id = $1", trace)
    await expect(spans).to_have_count(wanted)
    cost = await site.value("SELECT sum(cost_usd) FROM ledger.spans WHERE trace_id = $1", trace)
    assert exact(await hint(page, page.get_by_test_id("cost"))) == (cost or 0)
    await expect(spans.filter(has_text="on the critical path").first).to_be_visible()
    await spans.first.focus()
    await page.keyboard.press("ArrowDown")
    await expect(spans.nth(1)).to_be_focused()
    await expect(spans.nth(1)).to_have_attribute("aria-selected", "true")
    assert "span=" in page.url
    await page.keyboard.press("Home")
    await page.keyboard.press("ArrowLeft")
    await expect(spans.first).to_have_attribute("aria-expanded", "false")
    await expect(spans).to_have_count(1)
    await page.keyboard.press("ArrowRight")
    await expect(spans).to_have_count(wanted)
    assert await faults(page, "trace") == []


@pytest.mark.parametrize(
    ("address", "api", "there"),
    [
        ("/conversations", "**/api/v1/analytics/conversations**", "Conversations"),
        ("/calls", "**/api/v1/calls**", "Calls"),
        ("/traces", "**/api/v1/traces**", "Traces"),
    ],
)
async def test_a_broken_api_is_told_and_lived_through(page: Page, address: str, api: str, there: str) -> None:
    async def broken(route: Route) -> None:
        await route.fulfill(status=422, json={"title": "Not now", "detail": "the shelves are being moved"})

    await page.route(api, broken)
    await page.goto(f"{address}?refresh=off")
    await expect(page.get_by_role("alert")).to_contain_text("the shelves are being moved")
    await page.unroute(api)
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_role("table", name=there)).to_be_visible()
