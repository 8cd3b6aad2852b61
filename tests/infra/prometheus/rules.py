"""Our rules as their files say them; `promtool` reads the YAML, this is enough of it for what else is asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

RULES = Path(__file__).parents[3] / "infra" / "prometheus"
FILES = ("recording.yml", "alerts.yml")

_RULE = re.compile(r"^ {6}- (alert|record): (\S+)$", re.MULTILINE)
_METRIC = re.compile(r"(?<![\w:])(?:observatory_|process_)\w+")


@dataclass(frozen=True)
class Rule:
    """One rule; of a recording rule only name and expression are set."""

    name: str
    expression: str
    severity: str = ""
    summary: str = ""
    runbook: str = ""

    @property
    def metrics(self) -> set[str]:
        """The metrics of processes that its expression reads."""
        return set(_METRIC.findall(self.expression))


def rules() -> list[Rule]:
    """All rules, in the order of the files."""
    found: list[Rule] = []
    for name in FILES:
        parts = _RULE.split((RULES / name).read_text())[1:]
        for kind, rule, body in zip(parts[0::3], parts[1::3], parts[2::3], strict=True):
            expression = _value("expr", body)
            if kind == "record":
                found.append(Rule(rule, expression))
            else:
                (severity,) = re.findall(r"labels: \{severity: (\w+)\}", body)
                found.append(Rule(rule, expression, severity, _value("summary", body), _value("runbook", body)))
    return found


def alerts() -> list[Rule]:
    """Those that alert."""
    return [rule for rule in rules() if rule.severity]


def _value(key: str, body: str) -> str:
    """A key's text, on its own line or folded on the lines below."""
    (text,) = re.findall(rf"^ +{key}: (?:>-)?(.*(?:\n {{10}}\S.*)*)", body, re.MULTILINE)
    return " ".join(str(text).split())
