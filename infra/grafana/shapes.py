"""What Grafana's JSON of a dashboard looks like: panels in rows of 24 columns, each with a statement or expressions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LEDGER = {"type": "grafana-postgresql-datasource", "uid": "observatory-ledger"}
PROMETHEUS = {"type": "prometheus", "uid": "observatory-prometheus"}
COLUMNS = 24
LEAST_INTERVAL = "1m"
"""Of the rollups; a chart of finer steps would have holes."""

SQL = Path(__file__).parent / "sql"
Json = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel. `kind` is Grafana's name for it, `width` in columns, `height` in Grafana's rows.

    `query` names a statement in the dashboard's `.sql` file; `promql` are expressions by legend instead.
    """

    title: str
    kind: str = "timeseries"
    query: str = ""
    promql: Mapping[str, str] = field(default_factory=dict)
    unit: str = "short"
    width: int = 12
    height: int = 8
    stacked: bool = False
    thresholds: tuple[tuple[float, str], ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    """Of single columns of a table."""
    says: str = ""


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A choice at the head: of a statement in `variables.sql` (several may be chosen), or one of `options`."""

    name: str
    options: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """A dashboard. Its name is that of its files and a part of its address."""

    name: str
    title: str
    says: str
    panels: Sequence[Panel]
    variables: Sequence[Variable] = ()
    period: str = "now-3h"
    refresh: str = "30s"


def statements(name: str) -> dict[str, str]:
    """The statements of `sql/NAME.sql` by their headings."""
    parts = re.split(r"^-- name: (\w+)\s*$", (SQL / f"{name}.sql").read_text(), flags=re.MULTILINE)[1:]
    return {heading: body.strip() for heading, body in zip(parts[0::2], parts[1::2], strict=True)}


def as_json(dashboard: Dashboard) -> Json:
    """As Grafana imports it."""
    sql = statements(dashboard.name)
    used = [panel.query for panel in dashboard.panels if panel.query]
    if unused := sql.keys() - set(used):
        raise ValueError(f"{dashboard.name}.sql: on no panel: {', '.join(sorted(unused))}")
    return {
        "uid": f"observatory-{dashboard.name}",
        "title": dashboard.title,
        "description": dashboard.says,
        "tags": ["observatory"],
        "timezone": "utc",
        "schemaVersion": 41,
        "editable": False,
        "graphTooltip": 1,
        "refresh": dashboard.refresh,
        "time": {"from": dashboard.period, "to": "now"},
        "templating": {"list": [_variable(variable) for variable in dashboard.variables]},
        "annotations": {"list": [_marks()]},
        "links": [{"type": "dashboards", "tags": ["observatory"], "title": "Observatory", "keepTime": True,
                   "includeVars": True, "asDropdown": True, "icon": "external link", "targetBlank": False,
                   "tooltip": "", "url": ""}],
        "panels": _placed(dashboard.panels, sql),
    }  # fmt: skip


def _placed(panels: Sequence[Panel], sql: Mapping[str, str]) -> list[Json]:
    """Left to right, and below what stood before where a row is full."""
    placed: list[Json] = []
    x, y, row_height = 0, 0, 0
    for number, panel in enumerate(panels, start=1):
        if x + panel.width > COLUMNS:
            x, y, row_height = 0, y + row_height, 0
        place = {"x": x, "y": y, "w": panel.width, "h": panel.height}
        placed.append({"id": number, "gridPos": place, **_panel(panel, sql)})
        x, row_height = x + panel.width, max(row_height, panel.height)
    return placed


def _panel(panel: Panel, sql: Mapping[str, str]) -> Json:
    source = PROMETHEUS if panel.promql else LEDGER
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": source,
        "interval": LEAST_INTERVAL if source is LEDGER else "15s",
        "targets": _expressions(panel) if panel.promql else [_statement(panel, sql[panel.query])],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": [_override(*one) for one in panel.units.items()]},
        "options": _options(panel.kind),
    }


def _statement(panel: Panel, statement: str) -> Json:
    over_time = panel.kind in ("timeseries", "heatmap")
    return {
        "refId": "A",
        "datasource": LEDGER,
        "editorMode": "code",
        "rawQuery": True,
        "format": "time_series" if over_time else "table",
        "rawSql": statement,
    }


def _expressions(panel: Panel) -> list[Json]:
    return [
        {
            "refId": chr(ord("A") + number),
            "datasource": PROMETHEUS,
            "expr": expression,
            "legendFormat": legend,
            "instant": panel.kind == "stat",
            "range": panel.kind != "stat",
        }
        for number, (legend, expression) in enumerate(panel.promql.items())
    ]


def _defaults(panel: Panel) -> Json:
    steps: list[Json] = [{"value": None, "color": "text" if panel.kind == "stat" else "green"}]
    steps += [{"value": value, "color": color} for value, color in panel.thresholds]
    defaults: Json = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.kind == "timeseries":
        defaults["custom"] = {
            "drawStyle": "bars" if panel.stacked else "line",
            "fillOpacity": 60 if panel.stacked else 10,
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
            "showPoints": "never",
            "spanNulls": False,
        }
    if panel.kind == "bargauge":
        defaults |= {"min": 0, "max": 1}
    return defaults


def _override(column: str, unit: str) -> Json:
    return {"matcher": {"id": "byName", "options": column}, "properties": [{"id": "unit", "value": unit}]}


def _options(kind: str) -> Json:
    match kind:
        case "timeseries":
            return {
                "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }
        case "stat":
            return {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "/.*/", "values": False},
                    "colorMode": "value", "graphMode": "none"}  # fmt: skip
        case "bargauge":
            return {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": True},
                    "orientation": "horizontal", "displayMode": "basic"}  # fmt: skip
        case "heatmap":
            return {"calculate": False, "rowsFrame": {"layout": "le"}, "yAxis": {"unit": "ms"},
                    "color": {"mode": "scheme", "scheme": "Oranges"}}  # fmt: skip
        case _:
            return {"showHeader": True, "cellHeight": "sm"}


def _variable(variable: Variable) -> Json:
    if variable.options:
        chosen = variable.options[0]
        return {
            "type": "custom", "name": variable.name, "query": ",".join(variable.options), "multi": False,
            "includeAll": False, "current": {"text": chosen, "value": chosen},
            "options": [{"text": one, "value": one, "selected": one == chosen} for one in variable.options],
        }  # fmt: skip
    statement = statements("variables")[variable.name]
    return {
        "type": "query", "name": variable.name, "datasource": LEDGER, "query": statement, "definition": statement,
        "multi": True, "includeAll": True, "refresh": 2, "sort": 1, "current": {"text": "All", "value": "$__all"},
    }  # fmt: skip


def _marks() -> Json:
    return {
        "name": "Alerts", "datasource": LEDGER, "enable": True, "iconColor": "red",
        "target": {"refId": "Anno", "editorMode": "code", "rawQuery": True, "format": "table",
                   "rawSql": statements("variables")["alerts"]},
    }  # fmt: skip
