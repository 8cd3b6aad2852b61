"""Quality and experiments: which variant wins, with the figures that SQL gives; scores over time; what people said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, expect

from tests.web.compared import EXPERIMENT, RATED, TENANT, compare
from tests.web.looks import faults
from tests.web.site import Site, exact

OPENED = f"/quality?shown={EXPERIMENT}&of={TENANT}"


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def _compared(site: Site, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[None]:
    await compare(site, Path(tmp_path_factory.mktemp("compared")))
    yield


async def test_a_newcomer_sees_which_variant_wins(page: Page) -> None:
    await page.goto("/")
    await page.get_by_role("link", name="Experiments").click()
    experiment = page.get_by_role("list", name="Experiments").get_by_role("listitem").filter(has_text=EXPERIMENT).first
    await expect(experiment).to_contain_text("Variant brief costs 5")
    await expect(experiment).to_contain_text("less than long (95 % confidence sequence")
    await experiment.get_by_role("link", name=EXPERIMENT).click()
    await expect(page.get_by_role("region", name="Verdict")).to_contain_text("less than long")
    assert page.url.endswith(f"shown={EXPERIMENT}&of={TENANT}")
    await page.get_by_role("link", name="All experiments").click()
    await expect(page.get_by_role("list", name="Experiments")).to_be_visible()


async def test_variants_have_the_figures_of_the_ledger(page: Page, site: Site) -> None:
    await page.goto(OPENED)
    for variant in ("long", "brief"):
        row = page.get_by_role("table", name="Variants").get_by_role("row", name=variant)
        known = (await site.rows(
            "SELECT count(*) AS calls, count(DISTINCT user_id) AS users, sum(cost_usd) AS cost FROM ledger.calls"
            " WHERE experiment_id = $1 AND variant_id = $2",
            EXPERIMENT, variant,
        ))[0]  # fmt: skip
        figures = row.locator("data")
        assert await figures.nth(1).get_attribute("value") == str(known["users"])
        assert await figures.nth(3).get_attribute("value") == str(known["calls"])
        assert exact(await row.locator("data[title^='$']").get_attribute("title") or "") == known["cost"]
    await expect(page.get_by_text("split is right")).to_be_visible()
    await expect(page.get_by_role("region", name="Cost", exact=True)).to_contain_text("between −")


async def test_one_drills_down_from_a_variant_to_its_calls(page: Page) -> None:
    await page.goto(OPENED)
    await page.get_by_role("table", name="Variants").get_by_role("link", name="brief").click()
    await page.get_by_role("heading", name="Costs", exact=True).wait_for()
    await expect(page.get_by_role("button", name="Remove the filter Variant: brief")).to_be_visible()


async def test_scores_are_those_that_were_given(page: Page, site: Site) -> None:
    await page.goto("/quality?view=scores&by=prompt_version&last=24h")
    table = page.get_by_role("table", name="Scores by Prompt version")
    ups = await site.value(
        "SELECT count(*) FILTER (WHERE mod(row_number, 3) = 1) FROM (SELECT row_number() OVER (ORDER BY call_id)"
        " FROM ledger.calls WHERE experiment_id = $1 AND variant_id = 'long' LIMIT $2) AS rated",
        EXPERIMENT, RATED // 2,
    )  # fmt: skip
    row = table.get_by_role("row", name="long-2")
    cells = row.locator("td")
    await expect(cells.nth(4)).to_have_text(str(RATED // 2))
    await expect(cells.nth(2)).to_have_text(f"{ups / (RATED // 2):.3f}")
    await expect(table.get_by_role("row", name="brief-2").locator("td").nth(2)).to_have_text("1.000")
    cost = await site.value(
        "SELECT sum(cost_usd) FROM (SELECT cost_usd FROM ledger.calls WHERE experiment_id = $1 AND variant_id = 'long'"
        " ORDER BY call_id LIMIT $2) AS rated",
        EXPERIMENT, RATED // 2,
    )  # fmt: skip
    assert exact(await row.locator("data[title^='$']").get_attribute("title") or "") == cost


async def test_what_people_said_leads_to_the_conversation(page: Page) -> None:
    await page.goto("/quality?view=said&said=commented")
    rows = page.get_by_role("table", name="Feedback").locator("tbody tr")
    await expect(rows).to_have_count(2)
    said = rows.filter(has_text="Far too long")
    await expect(said).to_contain_text("0.00")
    conversation = await said.get_by_role("link").inner_text()
    await said.get_by_role("link").click()
    await expect(page.get_by_text(conversation).first).to_be_visible()
    assert conversation in page.url


async def test_tabs_have_addresses_and_keys(page: Page) -> None:
    await page.goto("/quality")
    await page.get_by_role("tab", name="Experiments").focus()
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("tab", name="Scores over time")).to_be_focused()
    assert "view=scores" in page.url
    await page.go_back()
    await expect(page.get_by_role("list", name="Experiments")).to_be_visible()


async def test_a_broken_api_is_shown_and_recovers(page: Page) -> None:
    async def broken(route: Route) -> None:
        await route.fulfill(status=503, json={"title": "Not available", "detail": "the database is away; try again"})

    await page.route("**/api/v1/analytics/experiments?**", broken)
    await page.goto("/quality?refresh=off")
    await expect(page.get_by_role("alert")).to_contain_text("the database is away")
    await page.unroute("**/api/v1/analytics/experiments?**")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_role("list", name="Experiments")).to_contain_text(EXPERIMENT)


async def test_there_is_no_such_experiment(page: Page) -> None:
    await page.goto("/quality?shown=nobody-knows-it")
    await expect(page.get_by_role("alert")).to_contain_text("Not found")


async def test_it_is_readable_in_both_themes_and_widths(page: Page) -> None:
    for name, address, there in (
        ("quality", "/quality?refresh=off", "less than long"),
        ("experiment", f"{OPENED}&refresh=off", "split is right"),
        ("scores", "/quality?view=scores&refresh=off", "gpt-4o-2024-08-06"),
        ("said", "/quality?view=said&said=commented&refresh=off", "Far too long"),
    ):
        await page.goto(address)
        await page.get_by_text(there).first.wait_for()
        assert await faults(page, name) == []
