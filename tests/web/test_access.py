"""Where keys are on: the page asks for one, and shows what is its tenant's and nothing of another."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest_asyncio
from playwright.async_api import Page, Response, expect

from tests.web.site import Site, exact, hint, until

TENANT, OTHERS = "globex", {"acme", "initech", "default"}
SENT = "tenant_id = 'globex' AND started_at >= now() - interval '24 hours' AND status <> 'not_sent'"
PAGES = (
    "/costs", "/costs?tab=budgets", "/costs?tab=waste", "/costs?tab=inexact", "/costs?tab=repricing", "/performance",
    "/conversations", "/calls", "/traces", "/quality", "/quality?view=scores", "/quality?view=said", "/health",
    "/health?view=anomalies", "/health?view=processes", "/health?view=letters", "/health?view=savings",
    "/?changed=tenant",
)  # fmt: skip
LOADED = "!document.querySelector('main .skeleton') && document.querySelector('main h1') !== null"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def key(site: Site) -> AsyncIterator[str]:
    """A key of one tenant, while which exists nobody is let in without one."""
    made = json.loads(await site.command("keys", "create", "--tenant", TENANT, "--name", "page", "--json"))
    await answers(site, 401)
    yield str(made["key"])
    await site.value("DELETE FROM app.api_keys")
    await answers(site, 200)


async def answers(site: Site, status: int) -> None:
    """Returns when that is what the gateway says to whoever has no key: it reads its keys every other second."""

    def asked() -> int:
        try:
            with urlopen(f"{site.url}/api/v1/alerts/standing") as response:
                return int(response.status)
        except HTTPError as refused:
            return refused.code

    async with asyncio.timeout(15):
        while await asyncio.to_thread(asked) != status:  # noqa: ASYNC110  # of another process
            await asyncio.sleep(0.1)


def owners(body: object) -> Iterator[str]:
    """The tenants that anything in an answer is said to be of."""
    if isinstance(body, dict):
        for name, value in body.items():
            if name in ("tenant_id", "tenant") and isinstance(value, str):
                yield value
            yield from owners(value)
    elif isinstance(body, list):
        for value in body:
            yield from owners(value)


async def test_a_key_shows_its_own_tenant_on_every_page(page: Page, site: Site, key: str) -> None:
    told: list[Response] = []
    page.on("response", lambda response: told.append(response) if "/api/v1/" in response.url else None)
    await page.goto("/")
    dialog = page.get_by_role("dialog", name="API key")
    await expect(dialog).to_contain_text("an API key is needed")
    await dialog.get_by_label("Key, as").fill("obs_wrong")
    await page.keyboard.press("Enter")
    await expect(dialog).to_contain_text("this API key is not valid")
    await dialog.get_by_label("Key, as").fill(key)
    await page.keyboard.press("Enter")
    cost = await site.value(f"SELECT sum(cost_usd) FROM ledger.calls WHERE {SENT}")
    assert exact(await hint(page, page.get_by_test_id("cost"))) == cost
    calls = await site.value(f"SELECT count(*) FROM ledger.calls WHERE {SENT}")
    await expect(page.get_by_test_id("calls")).to_have_text(f"{calls:,}")
    await expect(page.get_by_test_id("live-calls")).to_be_visible()
    seen = {await page.locator("main").inner_text()}
    for address in PAGES:
        await page.evaluate(
            "address => history.pushState(null, '', address)", f"{address}{'&' if '?' in address else '?'}refresh=off"
        )
        await until(page, LOADED)
        seen.add(await page.locator("main").inner_text())
    assert len(seen) == len(PAGES) + 1
    assert [text for text in seen for other in OTHERS if other in text] == []
    answered = [await each.json() for each in told if each.ok and "/live" not in each.url]
    assert len(answered) > len(PAGES)
    assert {owner for body in answered for owner in owners(body)} == {TENANT}


async def test_another_tenants_address_is_refused_and_says_so(page: Page, key: str) -> None:
    await page.add_init_script(f"sessionStorage.setItem('observatory-key', {json.dumps(key)})")
    await page.goto("/costs?tenant=acme&refresh=off")
    await expect(page.get_by_role("alert").first).to_contain_text(
        "this key is of the tenant 'globex' and sees no other"
    )
    await expect(page.get_by_role("dialog", name="API key")).to_be_hidden()
