"""The statements of our dashboards as Grafana sends them: its macros and variables written out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "infra" / "grafana"
DASHBOARDS = sorted((FOLDER / "dashboards").glob("*.json"))
POSTGRES = "grafana-postgresql-datasource"

Choices = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Target:
    """What one panel asks."""

    dashboard: str
    panel: str
    kind: str
    datasource: str
    text: str
    format: str = ""

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.panel}"


def targets() -> list[Target]:
    """Of every panel of every dashboard, the marks and variables too."""
    return [target for path in DASHBOARDS for target in _targets(path.stem, json.loads(path.read_text()))]


def _targets(name: str, board: Any) -> Iterator[Target]:
    for panel in board["panels"]:
        for target in panel["targets"]:
            text = target.get("rawSql") or target["expr"]
            source = target["datasource"]["type"]
            yield Target(name, panel["title"], panel["type"], source, text, target.get("format", ""))
    for mark in board["annotations"]["list"]:
        yield Target(name, f"marks: {mark['name']}", "annotation", POSTGRES, mark["target"]["rawSql"], "table")
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield Target(name, f"variable: {variable['name']}", "variable", POSTGRES, variable["query"], "table")


def written_out(sql: str, begin: datetime, end: datetime, interval_s: int, choices: Choices) -> str:
    """What the datasource sends for a panel in this period at this interval, with these choices.

    After the macros of Grafana's PostgreSQL datasource with TimescaleDB switched on. Raises `AssertionError` for what
    is not known here.
    """
    since, until = (f"'{moment:%Y-%m-%dT%H:%M:%S.%fZ}'" for moment in (begin, end))

    def chosen(match: re.Match[str]) -> str:
        return ",".join("'" + value.replace("'", "''") + "'" for value in choices[match[1]])

    sql = re.sub(r"\$\{(\w+):sqlstring\}", chosen, sql)
    sql = sql.replace("$__interval_ms", str(interval_s * 1000)).replace("$__interval", f"{interval_s}s")
    sql = re.sub(r"\$__timeFilter\(([\w.]+)\)", rf"\1 BETWEEN {since} AND {until}", sql)
    sql = re.sub(r"\$__timeGroupAlias\(([\w.]+), *(\d+)s\)", r"time_bucket('\2.000s',\1) " + 'AS "time"', sql)
    sql = sql.replace("$__timeFrom()", since).replace("$__timeTo()", until)
    assert "$" not in sql, sql
    return sql
