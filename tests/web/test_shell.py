"""What stands around every page: keys for everything, the address as the whole state, themes, keys of the API."""

from __future__ import annotations

import re

from playwright.async_api import Page, Route, expect

from tests.web.site import Site, axe


async def test_pages_periods_and_help_are_reached_by_keys(page: Page) -> None:
    await page.goto("/?last=7d")
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    await page.keyboard.press("g")
    await page.keyboard.press("c")
    await expect(page.get_by_role("heading", name="Costs", exact=True)).to_be_visible()
    assert page.url.endswith("/costs?last=7d")
    await page.keyboard.press("p")
    await page.get_by_role("button", name="Last hour").click()
    assert page.url.endswith("/costs?last=1h")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keys")).to_contain_text("Go to Overview")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()


async def test_search_goes_anywhere(page: Page, site: Site) -> None:
    call = await site.rows(
        """SELECT c.call_id::text AS id, c.request_id::text AS request_id, a.traceparent
             FROM ledger.calls AS c JOIN journal.attempts AS a USING (call_id)
             JOIN streams.traces AS t ON t.trace_id = split_part(a.traceparent, '-', 2)
            WHERE c.attempt = 1 ORDER BY c.started_at LIMIT 1"""
    )
    known = call[0]
    trace = known["traceparent"].split("-")[1]
    await page.goto("/?last=7d&model=none")
    await page.get_by_role("heading", name="Overview").wait_for()
    for typed, option, there in (
        ("demo-3", "demo-3 Conversation of acme", "/conversations/demo-3?last=7d&of=acme"),
        ("initech-user-1", "initech-user-1 User of initech", "/costs?last=7d&tenant=initech&user=initech-user-1"),
        ("ITECH", "initech Tenant", "/?last=7d&tenant=initech"),
        ("priceless", "priceless Model", "/costs?last=7d&model=priceless"),
        (known["id"][:9], f"{known['id']} Call of", f"/calls/{known['id']}?last=7d"),
        (known["request_id"].upper(), f"{known['request_id']} Request of", "/calls/"),
        (trace[:12], f"{trace} Trace of", f"/traces/{trace}?last=7d"),
    ):
        await page.keyboard.press("Control+k")
        await page.get_by_role("combobox", name="Search").fill(typed)
        await expect(page.get_by_role("option", name=option)).to_be_visible()
        await page.get_by_role("option", name=option).click()
        await expect(page).to_have_url(re.compile(re.escape(there)))
    await page.keyboard.press("/")
    await page.get_by_role("combobox", name="Search").fill("no such name at all")
    await expect(page.get_by_text("Nothing has this name or id")).to_be_visible()
    assert await axe(page) == []


async def test_the_first_tab_stop_skips_to_the_figures(page: Page) -> None:
    await page.goto("/")
    await page.get_by_role("heading", name="Overview").wait_for()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the figures")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()


async def test_a_chosen_theme_is_there_before_the_first_paint(page: Page) -> None:
    await page.goto("/")
    await page.get_by_role("button", name="Dark theme").click()
    assert await page.evaluate("document.documentElement.dataset.theme") == "dark"
    await page.route("**/assets/*.js", lambda route: route.abort())  # what would draw the page
    await page.reload()
    assert await page.evaluate("document.documentElement.dataset.theme") == "dark"


async def test_an_address_that_is_no_page_says_so(page: Page) -> None:
    await page.goto("/nothing/here")
    await expect(page.get_by_text("There is no such page")).to_be_visible()
    assert await axe(page) == []


async def test_a_gateway_that_wants_a_key_is_given_one_once(page: Page) -> None:
    asked_with: list[str | None] = []

    async def guarded(route: Route) -> None:
        key = route.request.headers.get("authorization")
        asked_with.append(key)
        if key == "Bearer right":
            await route.continue_()
            return
        problem = {"title": "Not authorised", "detail": "an API key is needed"}
        await route.fulfill(status=401, json=problem)

    await page.route("**/api/v1/**", guarded)
    await page.goto("/costs")
    dialog = page.get_by_role("dialog", name="API key")
    await expect(dialog).to_contain_text("an API key is needed")
    await dialog.get_by_label("Key, as").fill("wrong")
    await page.keyboard.press("Enter")
    await expect(dialog).to_be_visible()
    await dialog.get_by_label("Key, as").fill("right")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("table").first).to_be_visible()
    assert {"Bearer wrong", "Bearer right"} <= set(asked_with)
    await page.goto("/")
    await page.get_by_test_id("cost").wait_for()
    await expect(dialog).to_be_hidden()
