"""What an operator looks at, on a running stack with traffic.

The metrics that the rules of Prometheus read, the statements of the dashboards of Grafana, and `observatory top`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from prometheus_client.parser import text_string_to_metric_families
from textual.widgets import DataTable, Static

from observatory.adapters.kafka import new_producer
from observatory.adapters.settings import KafkaSettings, Settings
from observatory.cli.top_app import Top
from observatory.cli.top_observed import Observed
from observatory.cli.top_sources import LedgerBooks, observing
from tests.grafana import FOLDER, POSTGRES, Target, targets, written_out
from tests.infra.prometheus.rules import rules
from tests.scenarios.programs import PATIENCE_S, Stack, observatory, running_programs
from tests.stack import LiveStack
from tests.streams.ledger.ground import new_database

PREFIX = "watched."

Shown = dict[str, dict[str, float]]
Ask = Callable[..., Awaitable[list[asyncpg.Record]]]


class Watched(Stack):
    """A stack, as a Prometheus with the configuration that `observatory up` has written sees it."""

    def scrape(self) -> Shown:
        """Of each metric its values, by the job and the labels in the order of their names."""
        config = json.loads((Path(self.environment["OBSERVATORY_DATA_DIR"]) / "prometheus.yml").read_text())
        found: Shown = {}
        for job in config["scrape_configs"]:
            for target in (target for group in job["static_configs"] for target in group["targets"]):
                with urllib.request.urlopen(f"http://{target}/metrics", timeout=5) as answer:
                    text = answer.read().decode()
                for sample in (one for family in text_string_to_metric_families(text) for one in family.samples):
                    labels = [sample.labels[name] for name in sorted(sample.labels)]
                    found.setdefault(sample.name, {})[" ".join([job["job_name"], *labels])] = sample.value
        return found

    def until_scraped(self, condition: Callable[[Shown], bool]) -> Shown:
        """Scrapes again until the condition holds of what is found."""
        end, found = time.monotonic() + PATIENCE_S, self.scrape()
        while not condition(found):
            assert time.monotonic() < end, {
                name: shown for name, shown in found.items() if name.startswith("observatory_")
            }
            time.sleep(0.2)
            found = self.scrape()
        return found


@pytest.fixture(scope="module")
async def programs(stack: LiveStack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    """With budgets, answered and failed requests of two tenants, and a record that could not be read."""
    url = await new_database(stack)
    own = {"OBSERVATORY_DATABASE_URL": url, "OBSERVATORY_TOPIC_PREFIX": PREFIX}
    with running_programs(stack, **own) as environment:
        observatory(environment, "budgets", "create", "soft", "--tenant", "acme", "--limit", "0.0002", "--soft")
        observatory(environment, "budgets", "create", "hard", "--tenant", "beta", "--limit", "5")
        requests = tmp_path_factory.mktemp("requests") / "requests.jsonl"
        requests.write_text("\n".join(json.dumps(_request(number)) for number in range(24)))
        observatory(environment, "publish", "--file", str(requests), "--wait", check=False)
        producer = new_producer(KafkaSettings().model_copy(update={"bootstrap": stack.kafka}), "test")
        await producer.start()
        await producer.send_and_wait(f"{PREFIX}chat.requests", b"no JSON")
        await producer.stop()
        observatory(environment, "verify", "--wait", "30s", check=False)
        yield Watched(environment)


def _request(number: int) -> dict[str, object]:
    """One in eight fails for good, after it was tried again."""
    directive = "[[sim in=100 out=20 fault=400]]" if number % 8 == 7 else f"[[sim in={100 + number} out=20 first=1]]"
    return {
        "model": "gpt-4o-mini" if number % 3 else "gpt-4o",
        "messages": [{"role": "user", "content": directive}],
        "tenant_id": "acme" if number % 2 else "beta",
        "user_id": f"user-{number % 5}",
        "conversation_id": f"talk-{number % 4}",
        "stream": number % 2 == 0,
    }


@pytest.mark.timeout(240)
def test_every_metric_that_a_rule_reads_is_shown(programs: Watched) -> None:
    wanted = {name for rule in rules() for name in rule.metrics}
    programs.chat("[[sim in=100 out=20]]")

    def all_shown(shown: Shown) -> bool:
        letters = shown.get("observatory_dead_letters_waiting", {})
        lags = shown.get("observatory_consumer_lag_records", {})
        return (
            wanted <= shown.keys()
            and letters.get(f"streams {PREFIX}chat.requests.dlq") == 1
            and lags.get(f"streams {PREFIX}ledger {PREFIX}llm.calls") == 0
        )

    found = programs.until_scraped(all_shown)

    assert sum(found["observatory_stream_leading"].values()) == 1
    assert found["observatory_gateway_reachable"] == {"gateway kafka": 1, "gateway database": 1}
    assert found["observatory_chat_dead_letters_total"] == {"chat": 1}
    assert found["observatory_unknown_calls"] == {"streams": 0}
    assert found["observatory_alerts_standing"].keys() == {
        "streams budget_threshold warning",
        "streams budget_threshold critical",
    }
    assert found["observatory_budget_used_ratio"].keys() == {
        "streams soft false acme",
        "streams hard true beta",
    }
    outbox = {f"streams {what}" for what in ("calls", "outcomes", "alerts", "adjustments")}
    assert found["observatory_outbox_waiting"].keys() == found["observatory_outbox_oldest_seconds"].keys() == outbox
    moments = found["observatory_complete_until_timestamp_seconds"]
    assert f"streams ledger {PREFIX}llm.calls" in moments
    assert all(time.time() - moment < PATIENCE_S for moment in moments.values())
    assert found["observatory_ledger_watermark_age_seconds"]["ledger"] < PATIENCE_S
    free, size = found["observatory_disk_free_bytes"]["ledger"], found["observatory_disk_size_bytes"]["ledger"]
    assert 0 < free <= size


@pytest.fixture(scope="module")
async def reader(programs: Watched) -> AsyncIterator[asyncpg.Connection]:
    """The account that Grafana reads with."""
    url = urlsplit(programs.environment["OBSERVATORY_DATABASE_URL"])
    superuser = await asyncpg.connect(f"postgresql://postgres@127.0.0.1:{url.port}{url.path}")
    await superuser.execute((FOLDER / "reader.sql").read_text())
    await superuser.close()
    connection = await asyncpg.connect(f"postgresql://observatory_reader@127.0.0.1:{url.port}{url.path}")
    yield connection
    await connection.close()


@pytest.fixture
def ask(reader: asyncpg.Connection) -> Ask:
    """What a panel of the last hour shows for these tenants."""
    now = datetime.now(UTC)

    async def answer(target: Target, *tenants: str) -> list[asyncpg.Record]:
        models = [row["model"] for row in await reader.fetch("SELECT DISTINCT model FROM ledger.rollup_1m")]
        choices = {"tenant": tenants or ("acme", "beta", "default"), "model": models, "group": ["tenant"]}
        begin, end = now - timedelta(hours=1), now + timedelta(minutes=2)
        return list(await reader.fetch(written_out(target.text, begin, end, 60, choices)))

    return answer


OTHER_MONEY = ("Calls that gave no answer", "Spending of soft budgets")
"""Costs of a part of the calls."""

EMPTY = {"marks: Alerts"}
"""May show nothing: no alert need be raised in an hour."""


@pytest.mark.parametrize("target", [target for target in targets() if target.datasource == POSTGRES], ids=str)
async def test_a_panel_shows_rows(ask: Ask, target: Target) -> None:
    rows = await ask(target)
    assert rows or target.panel in EMPTY
    if target.format == "time_series":
        times = [row["time"] for row in rows]
        assert times == sorted(times)
        for row in rows:
            values = {name: value for name, value in row.items() if name not in ("time", "metric")}
            assert all(isinstance(value, int | float | Decimal | None) for value in values.values()), values


async def test_money_on_dashboards_is_the_ledgers(ask: Ask, reader: asyncpg.Connection) -> None:
    whole = await reader.fetchval("SELECT sum(cost_usd) FROM ledger.calls")
    assert whole > 0
    compared = []
    for target in targets():
        rows = [] if target.datasource != POSTGRES or target.panel in OTHER_MONEY else await ask(target)
        if rows and "cost_usd" in rows[0]:
            assert sum(row["cost_usd"] for row in rows) == whole, target.panel
            compared.append(target)
    assert len(compared) == 10
    of_acme = await reader.fetchval("SELECT sum(cost_usd) FROM ledger.calls WHERE tenant_id = 'acme'")
    (cost,) = [target for target in targets() if (target.dashboard, target.panel) == ("costs", "Cost")]
    assert [row["cost_usd"] for row in await ask(cost, "acme")] == [of_acme]
    (spending,) = [target for target in targets() if target.panel == "Spending of soft budgets"]
    assert sum(row["cost_usd"] for row in await ask(spending)) == of_acme


async def test_who_reads_dashboards_changes_nothing(reader: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.PostgresError, match="read-only transaction"):
        await reader.execute("DELETE FROM ledger.calls")
    await reader.execute("SET default_transaction_read_only = off")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await reader.execute("DELETE FROM ledger.calls")


async def test_providers_are_shown_in_the_state_they_are_in(ask: Ask, reader: asyncpg.Connection) -> None:
    (target,) = [target for target in targets() if target.panel == "Health of providers"]
    kept = await reader.fetch("SELECT provider, state::text FROM streams.provider_health")
    states = {row["provider"]: json.loads(row["state"])["state"]["health"].get("state", "healthy") for row in kept}
    assert states
    assert {row["provider"]: row["state"] for row in await ask(target)} == states


@asynccontextmanager
async def traffic(programs: Watched) -> AsyncIterator[None]:
    """A call after the other, for as long as it is entered."""
    stop = asyncio.Event()

    async def call() -> None:
        while not stop.is_set():
            await asyncio.to_thread(programs.chat, "[[sim in=100 out=20]]")
            await asyncio.sleep(0.1)

    task = asyncio.create_task(call())
    try:
        yield
    finally:
        stop.set()
        await task


async def until_true(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110  # what is waited for happens in other processes
            await asyncio.sleep(0.05)


def settings_of(programs: Watched) -> Settings:
    kafka = {"bootstrap": programs.environment["OBSERVATORY_KAFKA"], "topic_prefix": PREFIX}
    update = {"database_url": programs.environment["OBSERVATORY_DATABASE_URL"]}
    return Settings().model_copy(update={**update, "kafka": KafkaSettings().model_copy(update=kafka)})


async def test_one_snapshot_for_scripts(programs: Watched, reader: asyncpg.Connection) -> None:
    async with traffic(programs):
        done = await asyncio.to_thread(observatory, programs.environment, "top", "--json")
    found = json.loads(done.stdout)
    assert found["problems"] == []
    assert found["live"]["calls"] > 0
    assert Decimal(found["live"]["usd_per_hour"]) == Decimal(found["live"]["cost_usd"]) * 360
    groups = {lag["group"] for lag in found["lags"]}
    assert groups == {f"{PREFIX}chat-workers", f"{PREFIX}ledger", f"{PREFIX}streams"}
    letters = {letters["topic"]: letters["records"] for letters in found["dead_letters"]}
    assert letters[f"{PREFIX}chat.requests.dlq"] == 1
    acme = await reader.fetchval("SELECT sum(cost_usd) FROM ledger.calls WHERE tenant_id = 'acme'")
    assert {line["tenant"]: Decimal(line["cost_usd"]) for line in found["last_hour"]["tenants"]}["acme"] == acme


@pytest.mark.timeout(240)
async def test_the_screen_moves_and_leads_to_a_call(programs: Watched) -> None:
    config = settings_of(programs)
    known = Observed(f"http://127.0.0.1:{programs.environment['OBSERVATORY_HTTP_PORT']}")
    async with traffic(programs), observing(config, known, {}) as api:
        top = Top(known, LedgerBooks(config, api))
        async with top.run_test(size=(80, 24)) as pilot:

            async def until(condition: Callable[[str, list[str]], object]) -> None:
                """Waits until it holds of the head, and of the first cells of the table."""
                async with asyncio.timeout(PATIENCE_S):
                    while True:
                        table = top.query_one(DataTable)
                        first = [str(table.get_row(key)[0]).strip() for key in table.rows]
                        if condition(str(top.query_one("#head", Static).render()), first):
                            return
                        await pilot.pause(0.05)

            await until(lambda head, _: "live" in head and known.live().calls > 0 and "! " not in head)
            seen = known.live().calls
            await until(lambda _head, _: known.live().calls not in (0, seen))
            await until(lambda _, first: first and first[0].startswith("gpt-4o"))
            await pilot.press("enter")
            await until(lambda _, first: first and first[0].count(":") == 2)
            await pilot.press("enter")
            await until(lambda _, first: "call_id" in first and "attempt 1" in first)


@pytest.mark.timeout(240)
async def test_a_gateway_that_hangs_is_told_and_found_again(programs: Watched) -> None:
    known = Observed(f"http://127.0.0.1:{programs.environment['OBSERVATORY_HTTP_PORT']}")
    processes = json.loads(observatory(programs.environment, "status", "--json", check=False).stdout)["processes"]
    (pid,) = [process["pid"] for process in processes if process["name"] == "gateway"]
    async with observing(settings_of(programs), known, {}):
        await until_true(lambda: not known.wrong())
        os.kill(pid, signal.SIGSTOP)
        try:
            await until_true(lambda: "does not answer" in known.feed.problem)
        finally:
            os.kill(pid, signal.SIGCONT)
        await until_true(lambda: not known.wrong())
