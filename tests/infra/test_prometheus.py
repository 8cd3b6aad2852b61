"""The rules and configurations of Prometheus: valid, tested, each alert with what its reader needs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from observatory.adapters.settings import load_settings
from observatory.cli.main import COMMANDS
from observatory.cli.programs import parts_of
from observatory.cli.scraping import write_prometheus_config
from tests.infra.prometheus.rules import RULES, Rule, alerts, rules
from tests.promtool import promtool

TESTS = Path(__file__).parent / "prometheus" / "alerts_test.yml"


def run(*arguments: str | Path) -> str:
    """What promtool says; its refusal fails the test."""
    done = subprocess.run([promtool(), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_rules_hold_what_their_tests_say() -> None:
    run("test", "rules", TESTS)


def test_the_configuration_of_the_containers_is_valid() -> None:
    run("check", "config", RULES / "prometheus.yml")


def test_the_configuration_of_the_native_stack_is_valid_and_names_every_process(tmp_path: Path) -> None:
    parts = parts_of(load_settings().model_copy(update={"chat_workers": 3}), tmp_path)
    path = write_prometheus_config(parts, tmp_path)
    run("check", "config", path)
    text = path.read_text()
    assert {part.name for part in parts} - set(re.findall(r'"process": "([\w-]+)"', text)) == {"simulator"}


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.name)
def test_an_alert_says_what_is_and_what_to_do_and_is_tested(alert: Rule) -> None:
    assert alert.severity in ("warning", "critical")
    assert alert.summary
    assert alert.runbook
    assert alert.name in TESTS.read_text(), "no test raises it"
    known = {name for group in COMMANDS.values() for name in group}
    assert set(re.findall(r"`observatory (\w+)", alert.runbook)) <= known


def test_no_name_stands_twice() -> None:
    names = [rule.name for rule in rules()]
    assert len(names) == len(set(names))


def test_what_a_rule_reads_of_other_rules_is_recorded() -> None:
    recorded = {rule.name for rule in rules()}
    for rule in rules():
        assert set(re.findall(r"observatory:[\w:]+", rule.expression)) <= recorded, rule.name
