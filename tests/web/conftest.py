"""One browser and one running stack with real traffic for the tests of all pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from infra.native import locations
from tests.databases import new_database
from tests.scenarios.programs import observatory, running_programs
from tests.stack import LiveStack
from tests.web.site import Site
from tests.web.traffic import made_up, publish_calls

BROWSER_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE_MS = 15_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of them start a stack: what that takes may be the first one's to wait for."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.timeout(240))


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def site(stack: LiveStack) -> AsyncIterator[Site]:
    """The programs, with a gateway that serves the page; the demo's 200 requests and calls of yesterday are booked."""
    url = await new_database(stack)
    own = {
        "OBSERVATORY_DATABASE_URL": url, "OBSERVATORY_TOPIC_PREFIX": "web.",
        "OBSERVATORY_LOG_LEVEL": "WARNING",
    }  # fmt: skip
    with running_programs(stack, **own) as environment:
        await publish_calls(environment, made_up())
        await asyncio.to_thread(observatory, environment, "demo")
        pool = await asyncpg.create_pool(url, min_size=1, max_size=2)
        site = Site(environment, pool)
        offer = stack.data_dir / "offer.csv"
        offer.write_text("provider,model,valid_from,input_usd_mtok,output_usd_mtok\nopenai,gpt-4o,2020-01-01,99,199\n")
        commands = (
            "budgets create acme-all --tenant acme --limit 0.15 --period total",
            "budgets create globex-all --tenant globex --limit 0.01 --period total --soft",
            f"reprice --since 1h --file {offer}",
        )
        await asyncio.gather(*(site.command(*command.split()) for command in commands))
        yield site
        await pool.close()


@pytest.fixture(scope="package")
def browser_path() -> Path:
    """Chromium, which `make test` installs."""
    found = locations.browser()
    assert found is not None, "Chromium is missing: make tools"
    return found


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def browser(browser_path: Path) -> AsyncIterator[Browser]:
    """One browser for all tests."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=browser_path, args=BROWSER_ARGUMENTS)
        yield started
        await started.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, site: Site) -> AsyncIterator[Page]:
    """A tab of its own, wide and light; what the page says to the console as an error fails the test."""
    context = await browser.new_context(
        base_url=site.url, viewport={"width": 1440, "height": 900}, color_scheme="light", reduced_motion="reduce"
    )
    tab = await context.new_page()
    tab.set_default_timeout(PATIENCE_MS)
    complaints: list[str] = []
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    yield tab
    await context.close()
    expected = ("Failed to load resource",)  # what a test broke on purpose, the browser says by itself
    assert [each for each in complaints if not each.startswith(expected)] == []
