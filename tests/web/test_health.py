"""Alerts and health: whether anything is wrong right now, in one line; what it is; dead letters sent again."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from time import time
from uuid import UUID

import pytest_asyncio
from playwright.async_api import Page, Route, expect

from observatory.adapters.kafka import new_producer, topic_name
from observatory.adapters.postgres import alerts
from observatory.adapters.settings import KafkaSettings
from observatory.rules.anomalies.alerts import anomaly_alert
from observatory.rules.anomalies.series import Raised
from schemas.topics import CHAT_REQUESTS
from tests.web.looks import faults
from tests.web.site import Site, exact
from tests.web.traffic import a_call, publish_calls

STANDING = """FROM ledger.alerts AS a WHERE resolved_at IS NULL AND (kind <> 'budget_threshold' OR threshold(a) = (
    SELECT max(threshold(b)) FROM ledger.alerts AS b
     WHERE b.kind = a.kind AND b.tenant_id = a.tenant_id AND b.subject = a.subject AND b.resolved_at IS NULL))"""
"""Of a budget's thresholds the highest alone: here none has two periods."""

THRESHOLD = """CREATE FUNCTION threshold(a ledger.alerts) RETURNS numeric LANGUAGE sql AS
    $$ SELECT (a.details->>'threshold')::numeric $$"""
AGAIN, PROMPT = 3000, "0123456789abcdef"
NOT_JSON = b"no request at all"


async def dead_letter(site: Site) -> None:
    """A record that no worker can read."""
    kafka = KafkaSettings.model_validate(
        {name: site.environment[name] for name in ("OBSERVATORY_KAFKA", "OBSERVATORY_TOPIC_PREFIX")}
    )
    producer = new_producer(kafka, "test")
    await producer.start()
    await producer.send_and_wait(topic_name(kafka, CHAT_REQUESTS), NOT_JSON, key=b"nobody")
    await producer.stop()


async def the_same_again(site: Site) -> None:
    """Three calls with one prompt, long enough ago to be in what recommendations look at; returns when they count."""
    began = datetime.now(UTC) - timedelta(hours=2)
    calls = [
        a_call(AGAIN + n, began, tenant_id="acme", user_id="again", model="gpt-4o-2024-08-06", cost_usd="0.03")
        | {"prompt_hash": PROMPT}
        for n in range(3)
    ]
    await publish_calls(site.environment, calls)
    async with asyncio.timeout(30):
        while await site.value("SELECT count(*) FROM ledger.calls WHERE prompt_hash = $1", PROMPT) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def anomaly(site: Site) -> UUID:
    """An anomaly as the watch raises it, about a call that there is; the call's id."""
    call_id: UUID = await site.value("SELECT call_id FROM ledger.calls ORDER BY cost_usd DESC NULLS LAST LIMIT 1")
    found = Raised(
        metric="cost_rate", since_s=int(time()) - 90, until_s=int(time()) - 30, factor=3.25, deviations=6.5, calls=40,
        seen=Decimal("0.123"), expected=Decimal("0.5"), usual_s=3600, calls_factor=3.0,
    )  # fmt: skip
    async with site.pool.acquire() as connection:
        await alerts.raise_new(connection, [anomaly_alert("acme", "gpt-4o", found, [UUID(int=call_id.int)])])
    return UUID(int=call_id.int)


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def looked_at(site: Site) -> AsyncIterator[UUID]:
    """A dead letter, an anomaly (its call's id is given), and recommendations."""
    await site.value(THRESHOLD)
    await dead_letter(site)
    await the_same_again(site)
    call_id = await anomaly(site)
    await site.command("recommendations", "--look")
    async with asyncio.timeout(30):
        while NOT_JSON.decode() not in await site.command("dlq", "show", CHAT_REQUESTS.name, "--json"):  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    yield call_id


async def test_a_newcomer_sees_whether_anything_is_wrong(page: Page, site: Site) -> None:
    await page.goto("/")
    badge = page.get_by_test_id("open-alerts")
    await expect(badge).to_be_visible()
    await page.get_by_role("link", name="Alerts & health").click()
    verdict = page.get_by_role("region", name="Is anything wrong right now?")
    told = verdict.get_by_role("status")
    critical = await site.value(f"SELECT count(*) {STANDING} AND severity = 'critical'")
    latest = f"{STANDING} AND severity = 'critical' ORDER BY raised_at DESC, alert_id DESC LIMIT 1"
    messages = await site.rows(f"SELECT message {latest}")
    await expect(told).to_have_text(re.compile(r"things? (?:is|are) wrong: " if critical else "Nothing is down, but"))
    for row in messages:
        await expect(told).to_contain_text(row["message"])
    await expect(verdict).to_contain_text("1 dead letter of chat.requests waits to be sent again")
    await expect(badge).to_have_text(f"{await site.value(f'SELECT count(*) {STANDING}')} open")


async def test_open_alerts_are_those_of_the_database(page: Page, site: Site) -> None:
    await page.goto("/health")
    listed = page.get_by_role("list", name="Alerts", exact=True)
    known = await site.rows(f"SELECT message {STANDING} ORDER BY raised_at DESC, alert_id DESC LIMIT 25")
    await expect(listed.locator(":scope > li")).to_have_count(len(known))
    for index, row in enumerate(known):
        await expect(listed.locator(":scope > li").nth(index)).to_contain_text(row["message"])
    both = listed.locator(":scope > li").filter(has_text="budget acme-all has reached 100 %")
    await both.get_by_text("2 lower thresholds were reached before").click()
    await expect(both.get_by_text("has reached 50 %")).to_be_visible()
    await page.get_by_label("Which kind").select_option("unpriced_model")
    unpriced = await site.value(f"SELECT count(*) {STANDING} AND kind = 'unpriced_model'")
    await expect(listed.locator(":scope > li")).to_have_count(unpriced)
    assert "kind=unpriced_model" in page.url


async def test_an_anomaly_says_what_changed_and_leads_to_its_calls(page: Page, looked_at: UUID) -> None:
    await page.goto("/health?view=anomalies&last=1h")
    row = page.get_by_role("list", name="Anomalies").get_by_role("listitem").filter(has_text="3.25 times the usual")
    await expect(row).to_contain_text("What changed: 3.00 times as many calls")
    assert exact(await row.locator("data").first.get_attribute("title") or "") == Decimal("0.123")
    await row.get_by_role("link", name=str(looked_at)[:8]).click()
    await page.wait_for_url(f"**/calls/{looked_at}**")
    await expect(page.get_by_text(str(looked_at)).first).to_be_visible()


async def test_every_process_is_told_of_with_its_lag_and_watermark(page: Page, site: Site) -> None:
    await page.goto("/health?view=processes")
    processes = page.get_by_role("table", name="Processes")
    for name in ("ledger-1", "streams-1", "chat-1", "simulator"):
        await expect(processes.get_by_role("row", name=name)).to_contain_text("well")
    groups = page.get_by_role("table", name="Consumer lag")
    for group in ("web.ledger", "web.streams", "web.chat-workers"):
        await expect(groups.get_by_role("row", name=group).first).to_be_visible()
    sinks = await site.value("SELECT count(DISTINCT (sink, topic)) FROM ledger.sink_offsets")
    await expect(page.get_by_role("table", name="Watermarks").locator("tbody tr")).to_have_count(sinks)
    provider = page.get_by_role("table", name="Providers in their last minute").get_by_role("row", name="sim-openai")
    await expect(provider.first).to_be_visible()


async def test_dead_letters_are_shown_and_sent_again(page: Page, site: Site) -> None:
    await page.goto("/health?view=letters")
    await page.get_by_role("table", name="Dead letters by topic").get_by_role("link", name="chat.requests").click()
    letters = page.get_by_role("list", name="Letters of chat.requests").locator(":scope > li")
    await expect(letters).to_have_count(1)
    await letters.first.get_by_text("The record").click()
    await expect(letters.first).to_contain_text(NOT_JSON.decode())
    await page.get_by_role("button", name="Send again").click()
    await page.get_by_role("dialog").get_by_role("button", name="Send them again").click()
    await expect(page.get_by_text("1 sent again")).to_be_visible()
    await expect(letters).to_have_count(2, timeout=15_000)  # it comes back: nobody has mended it
    await expect(letters.last).to_contain_text("sent again")
    await expect(letters.first).to_contain_text("waits")
    assert '"waiting": 1' in await site.command("dlq", "list", "--json")


async def test_savings_are_those_that_were_found(page: Page, site: Site) -> None:
    await page.goto("/health?view=savings")
    saving = await site.value("SELECT max(saving_usd) FROM streams.recommendations")
    assert saving > 0
    first = page.get_by_role("list", name="Recommendations").locator(":scope > li").first
    assert exact(await first.locator("data").first.get_attribute("title") or "") == saving
    await first.get_by_text("Evidence").click()
    await expect(first.locator("dl")).to_be_visible()


async def test_a_broken_api_is_shown_and_recovers(page: Page) -> None:
    async def broken(route: Route) -> None:
        await route.fulfill(status=503, json={"title": "Not available", "detail": "the gateway is starting; try again"})

    await page.route("**/api/v1/status", broken)
    await page.goto("/health?refresh=off")
    await expect(page.get_by_role("alert")).to_contain_text("the gateway is starting")
    await page.unroute("**/api/v1/status")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_role("region", name="Is anything wrong right now?")).to_be_visible()


async def test_who_may_not_see_dead_letters_is_told_so(page: Page) -> None:
    async def refused(route: Route) -> None:
        await route.fulfill(status=403, json={"title": "Not allowed", "detail": "an operator's key is needed"})

    await page.route("**/api/v1/dead-letters", refused)
    await page.goto("/health?view=letters")
    await expect(page.get_by_role("alert")).to_contain_text("an operator's key is needed")


async def test_it_is_readable_in_both_themes_and_widths(page: Page) -> None:
    for name, address, there in (
        ("health", "/health?refresh=off", "raised"),
        ("anomalies", "/health?view=anomalies&refresh=off", "times the usual"),
        ("processes", "/health?view=processes&refresh=off", "ledger-1"),
        ("letters", "/health?view=letters&topic=chat.requests&refresh=off", "from partition"),
        ("savings", "/health?view=savings&refresh=off", "in 30 days"),
    ):
        await page.goto(address)
        await page.get_by_text(there).first.wait_for()
        assert await faults(page, name) == []
