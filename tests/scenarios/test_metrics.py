"""What Prometheus finds at the processes of a running stack: all that its rules read, with the values that hold."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from observatory.adapters.kafka import new_producer
from observatory.adapters.settings import KafkaSettings
from tests.infra.prometheus.rules import rules
from tests.scenarios.programs import PATIENCE_S, Stack, running_programs
from tests.stack import LiveStack
from tests.streams.ledger.ground import new_database

PREFIX = "watched."

Shown = dict[str, dict[str, float]]


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
async def programs(stack: LiveStack) -> AsyncIterator[Watched]:
    url = await new_database(stack)
    own = {"OBSERVATORY_DATABASE_URL": url, "OBSERVATORY_TOPIC_PREFIX": PREFIX, "OBSERVATORY_CHAT_WORKERS": "1"}
    with running_programs(stack, **own) as environment:
        yield Watched(environment)


@pytest.mark.timeout(240)
async def test_every_metric_that_a_rule_reads_is_shown(programs: Watched, stack: LiveStack) -> None:
    wanted = {name for rule in rules() for name in rule.metrics}
    programs.post("budgets", {"budget_id": "tight", "limit_usd": "0.0003", "hard": False, "thresholds": ["0.5"]})
    for says in ("[[sim in=100 out=20]]", "[[sim in=400 out=300]]"):
        programs.chat(says)
    producer = new_producer(KafkaSettings().model_copy(update={"bootstrap": stack.kafka}), "test")
    await producer.start()
    await producer.send_and_wait(f"{PREFIX}chat.requests", b"no JSON")
    await producer.stop()

    def all_shown(shown: Shown) -> bool:
        letters, lags = (
            shown.get("observatory_dead_letters_waiting", {}),
            shown.get("observatory_consumer_lag_records", {}),
        )
        return (
            wanted <= shown.keys()
            and letters.get(f"streams {PREFIX}chat.requests.dlq") == 1
            and lags.get(f"streams {PREFIX}ledger {PREFIX}llm.calls") == 0
            and shown["observatory_budget_used_ratio"].get("streams tight false default", 0) > 0
        )

    found = programs.until_scraped(all_shown)

    assert sum(found["observatory_stream_leading"].values()) == 1
    assert found["observatory_gateway_reachable"] == {"gateway kafka": 1, "gateway database": 1}
    assert found["observatory_chat_dead_letters_total"] == {"chat": 1}
    assert found["observatory_unknown_calls"] == {"streams": 0}
    assert found["observatory_alerts_standing"] == {"streams budget_threshold warning": 1}
    outbox = {f"streams {what}" for what in ("calls", "outcomes", "alerts", "adjustments")}
    assert found["observatory_outbox_waiting"].keys() == found["observatory_outbox_oldest_seconds"].keys() == outbox
    moments = found["observatory_complete_until_timestamp_seconds"]
    assert f"streams ledger {PREFIX}llm.calls" in moments
    assert all(time.time() - moment < PATIENCE_S for moment in moments.values())
    assert found["observatory_ledger_watermark_age_seconds"]["ledger"] < PATIENCE_S
    free, size = found["observatory_disk_free_bytes"]["ledger"], found["observatory_disk_size_bytes"]["ledger"]
    assert 0 < free <= size
