"""A view is its address: what was chosen on a page is there again when its address is opened anew."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.web.site import Site, until
from tests.web.slow_talk import slow_talk

LOADED = (
    "!document.querySelector('main .skeleton, main [aria-busy=true]') && document.querySelector('main h1') !== null"
)
CHOSEN = """() => {
  const texts = (selector) => [...document.querySelectorAll(selector)].map((each) => each.innerText.trim());
  return {
    title: texts("main h1"),
    chosen: [...document.querySelectorAll("main select")].map((each) => [each.labels[0]?.innerText, each.value]),
    typed: [...document.querySelectorAll("main input")].map((each) => each.value),
    tabs: texts("main [role=tab][aria-selected=true]"),
    period: texts("[data-hotkey=period]"),
    filters: [...document.querySelectorAll("main header button[aria-label^='Remove']")].map((each) => each.ariaLabel),
    open: texts("dialog[open] h2"),
    marked: texts("[role=treeitem][aria-selected=true]"),
    still: document.querySelector("[data-hotkey=refresh]")?.ariaPressed,
    first: [...document.querySelectorAll("main table")].map((each) => each.querySelector("tbody td")?.innerText),
    lists: texts("main ul[aria-label] > li:first-child").map((each) => each.replace(/\\(.* ago\\)/, "")),
  };
}"""


async def chosen(page: Page) -> Any:
    """What a page shows that may be chosen, and the first of each of its lists."""
    await until(page, LOADED)
    return await page.evaluate(CHOSEN)


async def restored(page: Page) -> Any:
    """Opens the address anew: the same must be there."""
    before = await chosen(page)
    await page.reload()
    assert await chosen(page) == before
    return before


async def choose_all(page: Page) -> int:
    """The last of every choice on the page; how many choices there are."""
    await until(page, LOADED)
    selects = page.locator("main select")
    number = await selects.count()
    for index in range(number):
        await selects.nth(index).select_option(index=await selects.nth(index).locator("option").count() - 1)
        await until(page, LOADED)
    return number


@pytest.mark.parametrize(
    ("address", "tab", "choices"),
    [
        ("/?tenant=acme&last=7d", "Route", 0),
        ("/costs?model=gpt-4o&model=gpt-4.1-mini", "Spend", 3),
        ("/performance?from=2020-01-01T00:00:00.000Z", None, 3),
        ("/traces?user=nobody", None, 2),
        ("/quality?prompt_version=a&prompt_version=b", "Scores over time", 1),
        ("/quality", "What people said", 1),
        ("/health", "Alerts", 2),
        ("/health?last=30d", "Anomalies", 1),
    ],
)
async def test_tabs_choices_filters_and_period(page: Page, address: str, tab: str | None, choices: int) -> None:
    await page.goto(f"{address}{'&' if '?' in address else '?'}refresh=off")
    if tab is not None:
        await page.get_by_role("tab", name=tab, exact=True).click()
    assert await choose_all(page) == choices
    state = await restored(page)
    assert state["still"] == "false"
    assert state["tabs"] == ([tab] if tab else [])
    assert len(state["filters"]) == sum(address.count(f"{name}=") for name in ("tenant", "model", "user", "version"))


async def test_a_search_an_order_and_a_further_page(page: Page, site: Site) -> None:
    await page.goto("/conversations?refresh=off")
    await page.get_by_role("searchbox", name="Part of a name").fill("talk")
    await expect(page).to_have_url(re.compile("[?&]q=talk"))
    await page.get_by_label("Order").select_option("cost")
    first = (await chosen(page))["first"]
    await page.get_by_role("link", name="Next page").click()
    await expect(page).to_have_url(re.compile(r"(?=.*[?&]cursor=)(?=.*[?&]q=talk)(?=.*[?&]order=cost)"))
    state = await restored(page)
    assert state["typed"] == ["talk"]
    assert state["first"] != first


async def test_what_is_open(page: Page, site: Site) -> None:
    await slow_talk(site)
    await page.goto("/costs?refresh=off")
    await row(page, "Calls").click()
    assert (await restored(page))["open"] == ["Call"]
    await page.goto("/traces?error=true&refresh=off")
    await row(page, "Traces").click()
    await page.get_by_role("treeitem").last.click()
    state = await restored(page)
    assert len(state["marked"]) == 1


def row(page: Page, table: str) -> Locator:
    """The link in the first row of a table."""
    return page.get_by_role("table", name=table, exact=True).locator("tbody tr").first.get_by_role("link").first


async def test_the_period_is_chosen_by_its_name(page: Page, site: Site) -> None:
    await page.goto("/?refresh=off")
    await until(page, LOADED)
    for name, said in (("Last 10 minutes", "last=10m"), ("Today", "from=")):
        await page.keyboard.press("p")
        await page.get_by_role("button", name=name, exact=True).click()
        assert said in page.url
        state = await restored(page)
        assert state["period"] == [name], json.dumps(state)
